"""Python files of a user, which register laws, activations, losses and schemes: imported by path, in every process.

A module made of such a file is named after its path, so that a worker that is sent one of its classes imports the file
again by itself.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mfpde.errors import ConfigurationError
from mfpde.solvers.registry import Registry

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

PREFIX = "mfpde_use_"


@dataclass(frozen=True)
class Use:
    """A user's file that is in use.

    Attributes:
        path: absolute.
        digest: SHA-256 of its content, in hexadecimal.
    """

    path: str
    digest: str

    def __reduce__(self) -> tuple[Any, ...]:
        # what is sent to another process brings the file's registrations with it
        return _used_again, (self.path, self.digest)

    def __str__(self) -> str:
        return f"{self.path} sha256:{self.digest}"


class UserFiles:
    """Finds and loads the modules that `use` names, for `sys.meta_path`."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module of a user's file, None for every other name."""
        if not name.startswith(PREFIX):
            return None
        from importlib.machinery import ModuleSpec

        place = bytes.fromhex(name.removeprefix(PREFIX)).decode()
        spec = ModuleSpec(name, UserFiles, origin=place)  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType | None:
        """The default module."""
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Run the file; nothing is written beside it."""
        assert module.__spec__ is not None
        path = str(module.__spec__.origin)
        module.__file__ = path
        source = Path(path).read_bytes()
        module.__dict__["__digest__"] = _digest(source)
        exec(compile(source, path, "exec"), module.__dict__)


def install() -> None:
    """Let modules of users' files be imported by name."""
    if UserFiles not in sys.meta_path:
        sys.meta_path.append(UserFiles)


def use(path: str | Path) -> Use:
    """Import a user's Python file, once for each content that it has, under whatever path.

    Raises:
        ConfigurationError: there is no such file, or it fails: its own line and error are named.
    """
    from importlib import import_module

    place = Path(path).expanduser().resolve()
    try:
        digest = _digest(place.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError([f"--use {path}: cannot be read ({reason}); name a Python file"]) from None
    name = PREFIX + os.fspath(place).encode().hex()
    known = _loaded(digest)
    try:
        if known is not None:
            Registry.register_again(known)
            return Use(str(place), digest)
        sys.modules.pop(name, None)
        import_module(name)
    except Exception as error:
        sys.modules.pop(name, None)
        raise ConfigurationError([fault_of(error) or f"{path}: {error}"]) from error
    return Use(str(place), digest)


def _loaded(digest: str) -> ModuleType | None:
    """The module of a file of this content, wherever it lies; one whose file is gone or another one is forgotten."""
    for name, module in list(sys.modules.items()):
        if name.startswith(PREFIX) and module.__dict__.get("__digest__") == digest:
            with suppress(OSError):
                if _digest(Path(str(module.__file__)).read_bytes()) == digest:
                    return module
            del sys.modules[name]
    return None


def fault_of(error: BaseException) -> str | None:
    """What went wrong in a user's file, with its name and line; None where the error is not of one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: not valid Python: {error.msg}; correct that line"
    names = {module.__dict__.get("__file__") for name, module in list(sys.modules.items()) if name.startswith(PREFIX)}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in names or _is_user_file(error, frame.filename):
            return f"{frame.filename}, line {frame.lineno}: {type(error).__name__}: {error}; correct it there"
    return None


def _is_user_file(error: BaseException, filename: str) -> bool:
    """Whether a frame of the traceback runs a file under one of our names, whose module may be gone already."""
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if frame.f_code.co_filename == filename and str(frame.f_globals.get("__name__", "")).startswith(PREFIX):
            return True
        step = step.tb_next
    return False


def _used_again(path: str, digest: str) -> Use:
    found = use(path)
    if found.digest != digest:
        raise ConfigurationError([f"{path}: has changed since the run began; run it again"])
    return found


def _digest(source: bytes) -> str:
    from hashlib import sha256

    return sha256(source).hexdigest()
