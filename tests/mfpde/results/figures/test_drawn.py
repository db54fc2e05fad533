"""Figures are the same whoever draws them: a process that was made ready, or this one where that one cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfpde.solvers.threads.processors import processors

DRAWN = """
import os
from functools import partial
from pathlib import Path
from mfpde.results.answer import Answer
from mfpde.results.files.drawn import draughtsman, save_figures
from mfpde.shell.process import termination_interrupts

class Lines(Answer):
    def __init__(self, held=None):
        self.held = held

    def figures(self):
        return {name: partial(self.draw, name) for name in ("one", "two", "three")}

    def draw(self, name):
        from mfpde.results.figures.style import panel
        os.write(1, b"." if os.getpid() == parent else b"")
        return panel(lambda axes: axes.set_ylabel("long\\n" * 3) or axes.plot([1.0, 3.0], label=name) or axes.legend())

class Broken(Lines):
    def draw(self, name):
        raise ValueError(name)

def files(name):
    Path(name).mkdir(exist_ok=True)
    return Path(name)

parent = os.getpid()
with termination_interrupts(), draughtsman(True) as first, draughtsman(True) as second, draughtsman(True) as third:
    written = first.save(Lines(), files("there"), "title")
    names = [path.name for path in written]
    assert names == [f"{name}{end}" for name in ("one", "two", "three") for end in (".png", ".pdf")]
    os.write(1, b"here ")
    assert second.save(Lines(lambda: 0), files("unsent"), "title") == tuple(Path("unsent") / name for name in names)
    try:
        third.save(Broken(), files("broken"), "title")
    except ValueError as error:
        os.write(1, b" " + str(error).encode())
for path in written:
    if path.suffix == ".png":
        assert path.read_bytes() == (Path("unsent") / path.name).read_bytes()
assert not list(Path("broken").iterdir())
with draughtsman(True) as idle:
    pass
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    os.write(1, b" alone")
"""


@pytest.mark.skipif(sys.platform != "linux" or processors() < 2, reason="there is another process where one may fork")
@pytest.mark.long
def test_another_process_draws_the_same_and_what_it_cannot_is_drawn_here(tmp_path: Path) -> None:
    """Fails where this process draws what could be sent, where figures differ, or where a process is left behind."""
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[4]), os.environ.get("PYTHONPATH"))))
    variables = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", DRAWN]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "here ... one alone"
