"""What of a user's surroundings is in the way is told in words, in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import mfpde
from mfpde.results.files.provenance import git_revision

ROOT = Path(mfpde.__file__).parents[1]
SOLVE = ("solve", "isotropic-gaussians", "--set", "data.dims=10", "--set", "time.end=0.1", "--set", "time.save=2")
GRID = ("--scheme", "finite-volume", "--set", "solver.cells=16", "--quiet")


def run(
    *arguments: str, root: Path = ROOT, stderr: int | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m mfpde`, its output captured."""
    return subprocess.run(
        [sys.executable, "-m", "mfpde", *arguments],
        cwd=root,
        env=os.environ | (settings or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if stderr is None else stderr,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("NUMBA_NUM_THREADS", "0"), ("NUMBA_NUM_THREADS", "many"), ("NUMBA_THREADING_LAYER", "none-such")],
)
def test_variables_of_compiled_loops_are_checked_first(name: str, value: str) -> None:
    done = run("check", "isotropic-gaussians", settings={name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mfpde: {name} = '{value}': ")
    assert "unset it" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.long
def test_figures_take_nothing_from_a_matplotlibrc(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.family: none-such\nsavefig.format: none\n")
    settings = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLBACKEND": "none-such", "PATH": ""}
    done = run(*SOLVE, *GRID, "--plot", str(tmp_path / "figures"), settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "figures").glob("*.png"))


@pytest.mark.long
def test_a_matplotlibrc_that_is_no_text_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe")
    done = run(*SOLVE, *GRID, "--plot", str(tmp_path), settings={"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")})
    assert done.returncode == 2
    assert "mfpde: figures: matplotlib does not start (" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(("arguments", "code"), [(("solve", "none-such"), 2), (("solve",), 2), ((*SOLVE, *GRID), 0)])
def test_a_full_standard_error_changes_no_exit_code(arguments: tuple[str, ...], code: int) -> None:
    with open("/dev/full", "wb") as full:
        assert run(*arguments, stderr=full.fileno()).returncode == code


def test_a_checkout_without_links_is_told_as_one(tmp_path: Path) -> None:
    """git without the right to make links writes a file that holds the target of the link."""
    ignored = shutil.ignore_patterns("solvers", "__pycache__")
    shutil.copytree(ROOT / "mfpde", tmp_path / "mfpde", ignore=ignored)
    (tmp_path / "mfpde" / "solvers").write_text("../solvers")
    done = run("check", "isotropic-gaussians", root=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "git config core.symlinks true" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_revision_is_asked_for_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git status` alone refreshes the index of a file whose time has changed."""

    def git(*arguments: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "__init__.py").write_text("")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    os.utime(tmp_path / "__init__.py", (1e9, 1e9))
    before = (tmp_path / ".git" / "index").read_bytes()
    monkeypatch.setattr(mfpde, "__file__", str(tmp_path / "__init__.py"))
    assert len(git_revision()) == 40
    assert (tmp_path / ".git" / "index").read_bytes() == before
