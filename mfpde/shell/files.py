"""Files that appear whole or not at all: written beside their place, synced, renamed, by one run at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mfpde.errors import OutputError, RunOutputError


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write one strict JSON object atomically at the end of a computation; raises RunOutputError."""
    text = json.dumps(content, allow_nan=False)

    def write(place: Path) -> None:
        place.write_text(text + "\n", encoding="utf-8")

    try:
        write_atomically(path, write)
    except OutputError as error:
        raise RunOutputError(str(error)) from None


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file in the same folder, then rename it to `path`; raises OutputError.

    A symbolic link stays: the file it points to is replaced.
    """
    place = Path(os.path.realpath(path))
    try:
        temporary = _temporary(place)
        try:
            write(temporary)
            _sync(temporary)
            os.replace(temporary, place)
            _sync(place.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from None


def probe(path: Path, force: bool, suffixes: tuple[str, ...] = (), resumable: bool = False) -> None:
    """Raise OutputError if a file at `path` could not be written, or exists and is not to be replaced.

    `resumable` says whether an existing file could also be continued.
    """
    try:
        _refuse(path, force, suffixes, resumable)
        _try_to_write(Path(os.path.realpath(path)))
    except OSError as error:
        raise output_error(path, error) from None


def probe_folder(path: Path) -> None:
    """Raise OutputError if the folder `path` does not take files, or could not be created; it is not created."""
    try:
        existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not existing.is_dir():
            raise OutputError(f"{path}: {existing} is not a folder; name a folder for the figures")
        _try_to_write(existing / "figure.png")
    except OSError as error:
        raise output_error(path, error) from None


def make_folder(path: Path) -> None:
    """Create a folder for figures and check that it takes files; raises OutputError."""
    probe_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from None


@contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Keep other runs from writing `path` meanwhile; raises OutputError where one does already.

    The lock is on a file `.NAME.lock` beside it, which goes with the run; one left by a killed run does not hold.
    """
    place = Path(os.path.realpath(path))
    lock = place.with_name(f".{place.name[:32]}.lock")
    try:
        descriptor = _locked(lock)
    except BlockingIOError:
        raise OutputError(f"{path}: another run is writing it; wait for that run, or name another file") from None
    except OSError as error:
        raise output_error(path, error) from None
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _locked(lock: Path) -> int:
    """An open descriptor that holds the lock on a file of that name."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                return descriptor
            os.close(descriptor)
            raise
        # The holder before may have removed the name between the opening and the lock.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        os.close(descriptor)


def _refuse(path: Path, force: bool, suffixes: tuple[str, ...], resumable: bool) -> None:
    if suffixes and path.suffix not in suffixes:
        accepted = ", ".join(suffixes)
        raise OutputError(f"{path}: unknown kind of file {path.suffix!r}; write a name that ends in {accepted}")
    if path.is_dir():
        raise OutputError(f"{path}: is a directory; write the name of a file in it, such as {path / 'run.nc'}")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or a pipe; write the name of an ordinary file")
    if path.exists() and not force:
        resume = "--resume to continue it, " if resumable else ""
        raise OutputError(f"{path}: exists; add --force to replace it, {resume}or name another file")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it or name another file")


def _try_to_write(place: Path) -> None:
    temporary = _temporary(place)
    try:
        temporary.write_bytes(bytes(4096))
        _sync(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError that tells what an operating system's error means for `path`."""
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); free space there or name a writable place")


def _temporary(place: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{place.name[:32]}.", suffix=place.suffix, dir=place.parent)
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
