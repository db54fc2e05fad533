"""Where compiled kernels are cached: in a folder of the user's, never beside the sources.

An uninstalled package leaves a folder behind that holds anything but its own files, and Python takes that folder for
the package wherever an editable install comes after it.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import suppress
from importlib.util import source_hash

VARIABLE = "NUMBA_CACHE_DIR"
PREFIX = "kernels-"
# A version of the kernels that no process has asked for in this time is forgotten.
KEPT_SECONDS = 30 * 86400.0
# Modules whose kernels are compiled into those of other modules: of a cached kernel numba compares only the module that
# defines it. Paths from the package's folder.
SHARED_KERNELS = (
    "problem/reduction/sphere.py",
    "solvers/activations/kernels.py",
    "solvers/jko/prox/kernels.py",
    "solvers/objective/table/kernels.py",
    "solvers/sgd/blas.py",
    "solvers/sgd/draw.py",
    "solvers/sgd/subsets.py",
    "solvers/sgd/kernels.py",
    "solvers/sgd/neurons.py",
    "solvers/sgd/philox.py",
    "solvers/vectors.py",
)


def choose_cache(version: str) -> None:
    """Set NUMBA_CACHE_DIR to the folder of this version's kernels; what the user set stays.

    Compiled code of another version, interpreter, environment or content of `SHARED_KERNELS` is in another folder, and
    numba keeps a folder for every folder of sources in it. Where no folder of the user's can be written, a private one
    for temporary files serves.
    """
    root = os.path.join(_user_cache(), "mfpde")
    chosen = os.environ.get(VARIABLE)
    # a folder of ours came from the process that started this one
    if chosen and os.path.dirname(chosen) != root:
        return
    name = PREFIX + _key(version, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if not _usable(os.path.join(root, name)):
        try:
            root = _private_folder()
        except OSError:
            # Nothing can be written anywhere: numba will say so.
            return
    with suppress(OSError):
        _forget_unused(root, name)
    os.environ[VARIABLE] = os.path.join(root, name)
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()


def _key(version: str, package: str) -> str:
    parts = [version, sys.version, sys.prefix]
    sources = [_content(os.path.join(package, path)) for path in SHARED_KERNELS]
    return f"{version}-{source_hash(b''.join([repr(parts).encode(), *sources])).hex()}"


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _user_cache() -> str:
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(chosen):
        return chosen
    return os.path.join(os.path.expanduser("~"), *(("Library", "Caches") if sys.platform == "darwin" else (".cache",)))


def _usable(folder: str) -> bool:
    """Whether `folder` is this user's and takes files, or could be created."""
    if not os.path.isabs(folder):
        return False
    if os.path.lexists(folder) and os.stat(folder).st_uid != os.getuid():
        return False
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _forget_unused(root: str, used: str) -> None:
    """Mark the folder `used` as such; the first time that it is asked for, remove those long unused."""
    if os.path.isdir(os.path.join(root, used)):
        os.utime(os.path.join(root, used))
    elif os.path.isdir(root):
        oldest = time.time() - KEPT_SECONDS
        folders = [os.path.join(root, name) for name in os.listdir(root) if name.startswith(PREFIX)]
        unused = [folder for folder in folders if os.lstat(folder).st_mtime < oldest]
        if unused:
            import shutil

            for folder in unused:
                shutil.rmtree(folder, ignore_errors=True)


def _private_folder() -> str:
    """A folder that nobody else can write: cached code is run as it is found."""
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"mfpde-cache-{os.getuid()}")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not own or stat.S_IMODE(found.st_mode) & 0o077:
            return tempfile.mkdtemp(prefix="mfpde-cache-")
    return folder
