"""Compiled kernels are cached in a folder of the user's: whatever its state, whoever started the process."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import mfpde
from mfpde.shell import compiled_cache

PACKAGE = Path(mfpde.__file__).parent


def choose(version: str = "1.2.3") -> Path:
    compiled_cache.choose_cache(version)
    return Path(os.environ[compiled_cache.VARIABLE])


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a user who has set nothing but where caches are."""
    monkeypatch.delenv(compiled_cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "cache" / "mfpde"


def test_kernels_are_cached_in_the_users_folder_by_version(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose()
    assert chosen.parent == cache
    assert chosen.name.startswith("kernels-1.2.3-")
    assert not cache.exists()
    # a process that this one starts chooses the same folder, one of another version its own
    assert choose() == chosen
    assert choose("1.2.4").name.startswith("kernels-1.2.4-")
    monkeypatch.setattr("sys.prefix", "/another/environment")
    assert choose() != chosen


@pytest.mark.parametrize("chosen", ["", "relative/cache"])
@pytest.mark.parametrize(("platform", "folder"), [("linux", ".cache/mfpde"), ("darwin", "Library/Caches/mfpde")])
def test_kernels_are_cached_in_the_home_of_a_user_who_chose_no_absolute_folder(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, folder: str, chosen: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.platform", platform)
    (tmp_path / "home").mkdir()
    assert choose().parent == tmp_path / "home" / folder


def test_the_folder_that_the_user_chose_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled_cache.VARIABLE, "anywhere")
    assert choose() == Path("anywhere")
    monkeypatch.setenv(compiled_cache.VARIABLE, "")
    assert choose().parent == cache


def test_changed_kernels_that_others_compile_into_theirs_have_another_folder(tmp_path: Path) -> None:
    keys = {compiled_cache._key("1.2.3", str(tmp_path))}
    for content in ("one", "two"):
        for shared in compiled_cache.SHARED_KERNELS:
            (tmp_path / shared).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / shared).write_text(content)
            keys.add(compiled_cache._key("1.2.3", str(tmp_path)))
    assert len(keys) == 1 + 2 * len(compiled_cache.SHARED_KERNELS)


def compiled_names(module: ast.Module) -> set[str]:
    """Names of the functions of a module that numba compiles."""
    words = ("jit", "intrinsic", "overload")
    return {
        function.name
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef)
        and any(word in ast.unparse(decorator) for decorator in function.decorator_list for word in words)
    }


def test_every_module_whose_kernels_are_compiled_elsewhere_is_listed() -> None:
    modules = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for folder in (PACKAGE, PACKAGE / "solvers")
        for path in folder.rglob("*.py")
    }
    kernels = {path: names for path, module in modules.items() if (names := compiled_names(module))}
    shared = set()
    for path in kernels:
        for line in ast.walk(modules[path]):
            if isinstance(line, ast.ImportFrom):
                origin = path.parents[line.level - 1] if line.level else PACKAGE.parent
                source = origin.joinpath(*(line.module or "").split(".")).with_suffix(".py")
                if kernels.get(source, set()) & {name.name for name in line.names}:
                    shared.add(str(source.relative_to(PACKAGE)))
    assert shared <= set(compiled_cache.SHARED_KERNELS)
    assert all((PACKAGE / path).is_file() for path in compiled_cache.SHARED_KERNELS)


def a_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.write_text("no folder")


def a_link_to_nowhere(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.symlink_to(cache.parent.parent / "nowhere")


def the_folder_of_somebody_else(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / choose().name).mkdir(parents=True)
    own = os.getuid()
    monkeypatch.setattr("os.getuid", lambda: own + 1)


def a_read_only_home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda folder, mode: False)


def no_home_at_all(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)


@pytest.mark.parametrize(
    "found", [a_file, a_link_to_nowhere, the_folder_of_somebody_else, a_read_only_home, no_home_at_all]
)
def test_a_private_folder_serves_where_none_of_the_user_can_be_written(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    found(cache, monkeypatch)
    monkeypatch.delenv(compiled_cache.VARIABLE, raising=False)
    chosen = choose()
    assert chosen.parent.parent == tmp_path / "temporary"
    assert stat.S_IMODE(chosen.parent.stat().st_mode) == 0o700
    # inherited by a process that this one starts
    assert choose() == chosen
    # a folder that others may write to is not trusted
    chosen.parent.chmod(0o777)
    monkeypatch.delenv(compiled_cache.VARIABLE)
    assert choose().parent not in (chosen.parent, cache)


def test_nothing_is_chosen_where_nothing_can_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: str, mode: int = 0o777) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.access", lambda folder, mode: False)
    monkeypatch.setattr("os.mkdir", full)
    compiled_cache.choose_cache("1.2.3")
    assert compiled_cache.VARIABLE not in os.environ


def test_kernels_that_nobody_has_asked_for_in_a_month_are_forgotten(cache: Path) -> None:
    used = cache / choose("1").name
    for folder in (used, cache / "kernels-0", cache / "kernels-00", cache / "notes"):
        folder.mkdir(parents=True)
        (folder / "kernel.nbi").write_text("compiled")
        os.utime(folder, (0.0, time.time() - 1.01 * compiled_cache.KEPT_SECONDS))
    os.utime(cache / "kernels-00", (0.0, time.time() - 0.99 * compiled_cache.KEPT_SECONDS))
    choose("1")
    assert sorted(folder.name for folder in cache.iterdir()) == sorted([used.name, "kernels-0", "kernels-00", "notes"])
    choose("2")
    assert sorted(folder.name for folder in cache.iterdir()) == sorted([used.name, "kernels-00", "notes"])


@pytest.mark.parametrize(("first", "home"), [("numba", "cache"), ("mfpde", "file/cache")])
def test_nothing_is_written_beside_the_sources(cache: Path, tmp_path: Path, first: str, home: str) -> None:
    """An installed package compiles a kernel for a user who imported numba before it, and for one without a home."""
    installed = tmp_path / "site-packages" / "mfpde"
    shutil.copytree(PACKAGE, installed, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "file").touch()
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(tmp_path / home),
        "TMPDIR": str(tmp_path / "temporary"),
    }
    script = f"import {first}; from mfpde.solvers.sgd import philox; philox.turn(0.25); print(philox.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(installed / "solvers" / "sgd" / "philox.py")
    written = list(tmp_path.rglob("philox.turn-*.nbc"))
    assert len(written) == 1
    assert (tmp_path / "cache" if home == "cache" else tmp_path / "temporary") in written[0].parents
    assert not list(installed.rglob("*.nb?"))
    assert not list(installed.rglob("__pycache__"))
