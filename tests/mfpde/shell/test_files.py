"""Files that appear whole or not at all: locks, what a killed run leaves, and who may read what is replaced."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mfpde.errors import OutputError
from mfpde.shell.files import reserved, write_atomically

KILLED = """
import os, signal, sys
from pathlib import Path
from mfpde.shell.files import write_atomically

def write(place):
    place.write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically(Path(sys.argv[1]), write)
"""


def write(place: Path) -> None:
    place.write_text("whole")


def test_names_that_begin_alike_are_locked_apart(tmp_path: Path) -> None:
    first, second = (tmp_path / f"{'a-long-name-of-a-run-' * 4}{end}.nc" for end in ("one", "two"))
    refused = pytest.raises(OutputError, match="another run is writing it")
    with reserved(first), reserved(second), refused, reserved(first):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 251, "é" * 120])
def test_the_longest_names_are_locked_apart_and_written(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / f"{name}.nc", tmp_path / f"{name}.js"
    with reserved(first), reserved(second):
        write_atomically(first, write)
    assert list(tmp_path.iterdir()) == [first]


def test_what_a_killed_run_was_writing_goes_with_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "half of it"
    other = tmp_path / ".notes.mfpde"
    other.write_text("not ours")
    with reserved(tmp_path / "another.nc"):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == [other]


def test_what_another_run_is_writing_stays(tmp_path: Path) -> None:
    def slowly(place: Path) -> None:
        with reserved(tmp_path / "another.nc"):
            write(place)

    write_atomically(tmp_path / "run.nc", slowly)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "run.nc"
    path.write_text("before")
    path.chmod(mode)
    write_atomically(path, write)
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == mode
