"""Processes of which any may be killed: what they compute, fail at and leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from mfpde.shell.processes import ProcessExecutor
from mfpde.shell.tasks import distribute
from mfpde.shell.workers import executor

PARENT = """
import sys, time
from mfpde.shell.processes import ProcessExecutor
from tests.mfpde.shell.test_processes import names_itself_and_sleeps

if __name__ == "__main__":
    pool = ProcessExecutor(2)
    for place in sys.argv[1:]:
        pool.submit(names_itself_and_sleeps, place)
    time.sleep(1000)
"""


def root(number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    return number * number


def much(number: int) -> bytes:
    return bytes([number]) * 10**7


def names_itself_and_sleeps(place: str) -> None:
    Path(place).with_suffix(".new").write_text(str(os.getpid()))
    Path(place).with_suffix(".new").rename(place)
    time.sleep(1000)


def dies_once(folder: str) -> int:
    """Kill the process in the middle of an answer, but the first time only."""
    mark = Path(folder) / "died"
    if not mark.exists():
        mark.touch()
        # the length that is announced is more than what follows
        for descriptor in range(3, 100):
            with suppress(OSError):
                os.write(descriptor, (10**6).to_bytes(4, "big") + b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    return 7


def pid_in(place: Path) -> int:
    """The number that a process writes to a file, once it is there."""
    while not place.exists():
        time.sleep(0.01)
    return int(place.read_text())


def wait_until_gone(pid: int) -> None:
    """Return once no such process runs; the test's own limit of time ends it otherwise."""
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().split()[2] if Path("/proc").is_dir() else ""
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":
            return
        time.sleep(0.01)


@pytest.mark.long
def test_answers_and_errors_come_back_and_large_ones_too() -> None:
    with executor(2) as pool:
        futures = [pool.submit(root, number) for number in (3, -1, 2)]
        large = pool.submit(much, 5)
        strange = pool.submit(lambda: 1)
        assert (futures[0].result(), futures[2].result()) == (9, 4)
        with pytest.raises(ValueError, match="negative"):
            futures[1].result()
        assert large.result() == much(5)
        with pytest.raises(Exception, match="pickle"):
            strange.result()
        assert pool.submit(root, 4).result() == 16


@pytest.mark.long
def test_a_process_killed_in_the_middle_of_an_answer_is_seen_and_its_task_done_again(tmp_path: Path) -> None:
    kept: dict[str, int] = {}
    failed: dict[str, Exception] = {}
    distribute([str(tmp_path)] * 2, dies_once, 2, None, kept.__setitem__, failed.__setitem__)
    assert kept == {str(tmp_path): 7}
    assert failed == {}


@pytest.mark.long
def test_a_lost_process_breaks_the_executor(tmp_path: Path) -> None:
    pool = ProcessExecutor(1)
    future = pool.submit(names_itself_and_sleeps, str(tmp_path / "worker"))
    waiting = pool.submit(root, 2)
    os.kill(pid_in(tmp_path / "worker"), signal.SIGKILL)
    for each in (future, waiting):
        with pytest.raises(BrokenExecutor, match="a process was lost"):
            each.result()
    with pytest.raises(BrokenExecutor, match="a process was lost"):
        pool.submit(root, 2)
    pool.shutdown()


@pytest.mark.long
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_ends_the_processes_at_once(tmp_path: Path) -> None:
    def interrupted() -> int:
        with executor(2) as pool:
            pool.submit(names_itself_and_sleeps, str(tmp_path / "worker"))
            pool.submit(names_itself_and_sleeps, str(tmp_path / "other"))
            pool.submit(root, 2).cancel()
            found = pid_in(tmp_path / "worker")
            assert found != os.getpid()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    wait_until_gone(pid_in(tmp_path / "worker"))


@pytest.mark.long
def test_the_processes_of_a_killed_parent_end_with_it(tmp_path: Path) -> None:
    script, places = tmp_path / "parent.py", [tmp_path / "one", tmp_path / "two"]
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, str(script), *map(str, places)], env=environment, cwd=Path.cwd()) as parent:
        pids = [pid_in(place) for place in places]
        parent.kill()
    for pid in pids:
        wait_until_gone(pid)
