"""Two processes share the compilation of a first run: nothing twice, and nothing but what the run needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mfpde.shell.ahead import SharedCache
from mfpde.solvers.threads.processors import processors

ALONE = pytest.mark.skipif(
    sys.platform != "linux" or processors() < 2, reason="a second process is begun where fork and a processor are free"
)
TOY = """
import numba

@numba.njit(cache=True)
def inner(x):
    return x * x

@numba.njit(cache=True)
def outer(x):
    return inner(x) + 1.0
"""
SHARED = """
import importlib.util, os, sys
import numba
from numba.core import event
import mfpde.shell.ahead as ahead

def imported(name):
    spec = importlib.util.spec_from_file_location(f"mfpde.{name}", f"{name}.py")
    module = sys.modules[f"mfpde.{name}"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

toy = imported("toy")

class Told(event.Listener):
    def on_start(self, event):
        name = event.data["dispatcher"].py_func.__name__
        os.write(1, f"{'child' if os.getpid() != parent else 'parent'} {name}\\n".encode())
    def on_end(self, event):
        pass

parent = os.getpid()
event.register("numba:compile", Told())
begun, waiting = os.pipe()
ahead.compile_ahead("toy", lambda: os.write(waiting, b"x"), lambda: toy.outer(2.0), lambda: imported("late").outer(2.0))
if len(sys.argv) > 1:
    os.read(begun, 1)
assert toy.outer(2.0) == imported("late").outer(2.0) == 5.0
"""
REHEARSED = """
from mfpde.schemes.interface import SCHEMES
from mfpde.schemes.rehearsal import rehearse_table
from mfpde.shell.ahead import _kernels
from mfpde.studies.solve import solve

def told(*folders):
    kernels = [kernel for kernel in _kernels() if any(name in kernel.__module__ for name in folders)]
    return {kernel.__name__: set(kernel.signatures) for kernel in kernels}

SCHEMES["finite-volume"]().rehearsal()()
rehearse_table()
before = told("finite_volume", "objective.table")
solve("anisotropic-relu", overrides=["time.end=0.01", "time.save=2", "solver.cells=[16,16]"])
after = told("finite_volume", "objective.table")
assert before == after, {name: before[name] ^ after[name] for name in after}
import sys
parts = {name.split(".")[1] for name in sys.modules if name.startswith("scipy.")}
assert {part for part in parts if part[0] != "_"} <= {"special", "linalg", "version"}, parts
assert "matplotlib" not in sys.modules
"""


def run(script: str, folder: Path, *arguments: str, **environment: str) -> str:
    (folder / "script.py").write_text(script, encoding="utf-8")
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": paths} | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@ALONE
@pytest.mark.long
def test_two_processes_compile_each_kernel_once(tmp_path: Path) -> None:
    """Fails where both miss the cache and compile: each would say so."""
    for name in ("toy", "late"):
        (tmp_path / f"{name}.py").write_text(TOY, encoding="utf-8")
    said = run(SHARED, tmp_path, "wait", NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert sorted(line.split()[1] for line in said.splitlines()) == ["inner", "inner", "outer", "outer"]
    # once all is there, no process is begun: the parent would wait for the word of its child for ever
    assert run(SHARED, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == ""


@pytest.mark.long
def test_the_rehearsal_compiles_what_the_first_solve_of_readme_needs_of_tables_and_cells(tmp_path: Path) -> None:
    """Fails where another type is rehearsed, a kernel is left out, or one that is not needed is compiled.

    Nor does the solve import what it does not need: scipy.integrate, .optimize and .io take a tenth of a second.
    """
    run(REHEARSED, tmp_path)


class Missing:
    """A cache on disk that has nothing."""

    def __init__(self, folder: Path) -> None:
        self.cache_path = str(folder)
        self._impl = SimpleNamespace(locator=SimpleNamespace(ensure_cache_path=lambda: None))
        self._cache_file = SimpleNamespace(_index_name="kernel")

    def load_overload(self, *given: object) -> None: ...

    def save_overload(self, *given: object) -> None: ...


@ALONE
def test_a_cache_shared_twice_does_not_wait_for_its_own_process(tmp_path: Path) -> None:
    """Fails, by waiting for ever, where the second one locks the file again, as that of a second solve did."""
    import fcntl

    cache = SharedCache(SharedCache(Missing(tmp_path)))
    with open(tmp_path / "kernel.lock", "wb") as other:
        for _ in range(2):
            assert cache.load_overload("signature", None) is None
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        cache.save_overload("signature", None)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
