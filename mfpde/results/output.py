"""Files that appear whole or not at all: written beside their place, synced, renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from mfpde.results.errors import OutputError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file in the same folder, then rename it to `path`; raises OutputError."""
    temporary = _temporary(path)
    try:
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def probe(path: Path, force: bool, suffixes: tuple[str, ...] = ()) -> None:
    """Raise OutputError if a file at `path` could not be written, or exists and is not to be replaced."""
    if suffixes and path.suffix not in suffixes:
        accepted = ", ".join(suffixes)
        raise OutputError(f"{path}: unknown kind of file {path.suffix!r}; write a name that ends in {accepted}")
    if path.is_dir():
        raise OutputError(f"{path}: is a directory; write the name of a file in it, such as {path / 'run.nc'}")
    if path.exists() and not force:
        raise OutputError(f"{path}: exists; add --force to replace it, --resume to continue it, or name another file")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it or name another file")
    temporary = _temporary(path)
    try:
        temporary.write_bytes(bytes(4096))
        _sync(temporary)
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Create a folder for figures and check that it takes files; raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from None
    probe(path / "figure.png", force=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError that tells what an operating system's error means for `path`."""
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); free space there or name a writable place")


def _temporary(path: Path) -> Path:
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise output_error(path, error) from None
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    return Path(name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
