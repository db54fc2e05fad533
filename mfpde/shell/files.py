"""Files that appear whole or not at all: written beside their place, synced, renamed, by one run at a time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mfpde.errors import ConfigurationError, OutputError, all_of
from mfpde.shell.checksum import KEY, checksum_of_object

LONGEST_NAME = 180
"""Bytes of a file's name beyond which the hidden names beside it are made of its beginning and its hash."""
LEFT = re.compile(r"\..*\.mfpde-[0-9a-f]{8}(\.[^.]*)?", re.DOTALL)
"""The name of a file that is being written."""


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write one strict JSON object and its checksum atomically; raises OutputError."""
    written = json.loads(json.dumps(content, allow_nan=False))
    write_text(path, json.dumps({**written, KEY: checksum_of_object(written)}) + "\n")


def read_json(path: Path) -> Any:
    """Strict JSON, text without the marks that steer a terminal.

    Raises:
        OSError, ValueError, RecursionError: it cannot be read, is none, or is not what was written.
    """
    content = json.loads(path.read_text("utf-8"), parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    if isinstance(content, dict) and KEY in content and content[KEY] != checksum_of_object(content):
        raise ValueError("damaged: its content is not what was written")
    return _shown(content)


def shown(text: str) -> str:
    """Text of a file, the marks that steer a terminal escaped."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else repr(mark)[1:-1] for mark in text)


def _shown(content: Any) -> Any:
    """The same for all texts in an object."""
    match content:
        case str():
            return shown(content)
        case list():
            return [_shown(item) for item in content]
        case dict():
            return {shown(key): _shown(item) for key, item in content.items()}
        case _:
            return content


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def write_text(path: Path, text: str) -> None:
    """Write a text atomically; raises OutputError."""
    write_atomically(path, lambda place: place.write_text(text, encoding="utf-8"))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file in the same folder, then rename it to `path`; raises OutputError.

    A symbolic link stays: the file it points to is replaced, and what may read and write it stays too. The temporary
    file is locked while it is written, by which one that a killed run left is known.
    """
    place = Path(os.path.realpath(path))
    temporary = place.with_name(f"{_hidden(place)}.mfpde-{secrets.token_hex(4)}{place.suffix}")
    try:
        descriptor = _locked(temporary)
        try:
            write(temporary)
            _sync(temporary)
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, os.stat(place).st_mode & 0o777)
            os.replace(temporary, place)
            _sync(place.parent)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)
    except OSError as error:
        raise output_error(path, error) from None


def probe(path: Path, force: bool, suffixes: tuple[str, ...] = (), resumable: bool = False) -> None:
    """Raise OutputError if a file at `path` could not be written, or exists and is not to be replaced.

    `resumable` says whether an existing file could also be continued.
    """
    try:
        _refuse(path, force, suffixes, resumable)
        _try_to_write(Path(os.path.realpath(path)).parent)
    except OSError as error:
        raise output_error(path, error) from None


def probe_folder(path: Path, names: Iterable[str] = (), force: bool = False) -> None:
    """Raise OutputError if the folder `path` does not take files, or could not be created; it is not created.

    Args:
        names: the files to come, each of which is named that exists and is not to be replaced.
    """
    try:
        existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not existing.is_dir():
            raise OutputError(f"{path}: {existing} is no folder; name another one")
        _try_to_write(existing)
    except OSError as error:
        raise output_error(path, error) from None
    if path.is_dir():
        all_of(lambda name: _replaceable(path / name, force), names)


def _replaceable(path: Path, force: bool) -> None:
    try:
        _refuse(path, force, (), resumable=False)
    except OutputError as error:
        raise ConfigurationError([str(error)]) from None


def make_folder(path: Path) -> None:
    """Create a folder for figures and check that it takes files; raises OutputError."""
    probe_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
    except OSError as error:
        raise output_error(path, error) from None


@contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Keep other runs from writing `path` meanwhile; raises OutputError where one does already.

    The lock is on a file `.NAME.lock` beside it, which goes with the run; one left by a killed run does not hold, and
    what such a run was writing into the folder is removed.
    """
    place = Path(os.path.realpath(path))
    lock = place.with_name(f"{_hidden(place)}.lock")
    try:
        descriptor = _locked(lock)
        _remove_left(place.parent)
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


def _hidden(place: Path) -> str:
    """The beginning of the names of hidden files that belong to a file, and to no other one."""
    whole = os.fsencode(place.name)
    if len(whole) <= LONGEST_NAME:
        return f".{place.name}"
    return f".{whole[:100].decode('utf-8', 'ignore')}-{hashlib.sha256(whole).hexdigest()[:16]}"


def _remove_left(folder: Path) -> None:
    """Remove the temporary files in a folder that nobody is writing."""
    for place in [Path(entry.path) for entry in os.scandir(folder) if LEFT.fullmatch(entry.name)]:
        with suppress(OSError):
            descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                place.unlink()
            finally:
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


def _try_to_write(folder: Path) -> None:
    """A file of one block, which has no name that could stay behind."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError that tells what an operating system's error means for `path`."""
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); free space there or name a writable place")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
