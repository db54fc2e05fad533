"""Processors of containers: what control groups of both versions grant, however deep in them a process is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfpde.solvers.threads.processors import processors

HYBRID = "4:memory:/a\n2:cpu,cpuacct:/docker/own\n0::/\n"


@pytest.mark.parametrize(
    ("member", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        (
            "0::/pod/own\n",
            {"pod/own/cpu.max": "max 100000", "pod/cpu.max": "350000 100000", "cpu.max": "800000 1e5"},
            3,
        ),
        ("0::/pod/own\n", {"cpu.max": "50000 100000"}, 1),
        (HYBRID, {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "200000\n"}, 2),
        (HYBRID, {"cpu/docker/cpu.cfs_quota_us": "250000\n", "cpu/docker/cpu.cfs_period_us": "50000\n"}, 5),
        (HYBRID, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("0::/\n", {"cpu.max": "\n"}, 64),
        ("", {}, 64),
    ],
)
def test_a_container_of_two_processors_on_a_machine_of_64_has_two(
    member: str, files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr("mfpde.solvers.threads.processors.ROOT", tmp_path)
    for name, text in {
        "proc/self/cgroup": member,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors() == expected
