"""Benches: what a ratio says, how one is run, and what becomes of peers that are missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from validation.bench import running
from validation.bench.__main__ import main
from validation.bench.benches import load_all
from validation.bench.command import MIB, spent
from validation.bench.interface import BENCHES, Bench, Ratio, Setting, bench
from validation.bench.peers import PeerMissing, Peers
from validation.bench.running import Outcome
from validation.bench.table import bench_page, line, summary

FAST = Ratio("w", 2.0, "peer", 8.0, goal=3.0)
RATE = Ratio("w", 2.0, "peer", 8.0, "steps/s", more_is_better=True, goal=3.0)
SHOWN = Ratio("w", 2.0, note="no <peer>")


def test_above_one_this_program_is_the_better_one() -> None:
    assert (FAST.ratio, FAST.verdict) == (4.0, "met")
    assert (RATE.ratio, RATE.verdict) == (0.25, "MISSED")
    assert (SHOWN.ratio, SHOWN.verdict) == (None, "")
    assert Ratio("w", math.nan, "peer", 8.0, goal=3.0).verdict == "MISSED"


def test_table_and_page_have_every_row_and_say_what_is_missed() -> None:
    first, second = (FAST, RATE), (SHOWN,)
    outcomes = [
        Outcome("one", "about", first, "printed <here>", "", 1.0),
        Outcome("two", "", second, "", "E: why", 1.0),
    ]
    words = summary(outcomes)
    assert words.startswith("3 numbers of 2 benches; 1 of 2 goals met\n")
    assert "two FAILED: E: why" in words
    assert line("one", RATE) in words
    page = bench_page(outcomes)
    assert page.count("<td>peer</td>") == 4
    for part in ("no &lt;peer&gt;", "printed &lt;here&gt;", "two: FAILED"):
        assert part in page


def test_ratios_are_kept_as_they_come_and_a_bench_that_breaks_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(setting: Setting) -> Iterator[Ratio]:
        yield FAST
        setting.peers.python(["no-such-package"])

    monkeypatch.setitem(BENCHES, "broken", Bench("broken", broken))
    found = tmp_path / "ratios"
    assert running.main(str(found), "broken", "1", str(tmp_path), "0") == 1
    first, last = found.read_text().splitlines()
    assert '"ours": 2.0' in first
    assert last == f"PeerMissing: no environment with no-such-package in {tmp_path}, and none made"
    with pytest.raises(ValueError, match="registered already, by tests"):
        bench("broken")(broken)


def test_a_script_that_fails_in_a_peers_environment_says_its_last_line(tmp_path: Path) -> None:
    place = tmp_path / "pip" / "bin"
    place.mkdir(parents=True)
    (place.parent / "complete").touch()
    (place / "python").write_text("#!/bin/sh\ncase $2 in ok) echo noise; echo [$3];; *) echo lost >&2; exit 3;; esac\n")
    (place / "python").chmod(0o755)
    peers = Peers(tmp_path, install=False)
    assert peers.answer(["pip"], "ok", "1.5") == [1.5]
    with pytest.raises(PeerMissing, match=r"^lost$"):
        peers.answer(["pip"], "other")


def test_every_file_of_the_folder_is_found_and_names_that_match_nothing_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load_all()
    folder = Path(running.__file__).parent / "benches"
    files = {path for path in folder.rglob("*.py") if "\n@bench(" in path.read_text(encoding="utf-8")}
    assert files == {Path(each.ratios.__code__.co_filename) for each in BENCHES.values()}
    with pytest.raises(SystemExit):
        main(["--only", "nothing-of-this-name"])
    assert "the benches are blocks, finite-volume" in capsys.readouterr().err


def test_memory_is_that_of_the_command_alone() -> None:
    """A process of 300 MiB, such as one of tests, does not count."""
    held = np.ones(40_000_000)
    assert 5.0 < spent("--version").mib < 150.0 < held.nbytes / MIB
