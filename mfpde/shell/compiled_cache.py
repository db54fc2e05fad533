"""Where the compiled kernels are cached when neither the package's folder nor the user's can be written.

numba then refuses to import a cached kernel at all; a private folder for temporary files serves instead.
"""

from __future__ import annotations

import os
import stat

VARIABLE = "NUMBA_CACHE_DIR"


def choose_cache() -> None:
    """Set NUMBA_CACHE_DIR where numba would find no folder to write to; what the user set stays."""
    if VARIABLE in os.environ or _package_is_writable() or _writable(_user_cache()):
        return
    try:
        os.environ[VARIABLE] = _private_folder()
    except OSError:
        # Nothing can be written anywhere: numba will say so.
        return


def _package_is_writable() -> bool:
    package = os.path.dirname(os.path.abspath(__file__))
    folders = (package, os.path.join(package, "solvers"), os.path.join(package, "reduction"))
    return all(_writable(os.path.join(folder, "__pycache__")) for folder in folders)


def _user_cache() -> str:
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")


def _writable(folder: str) -> bool:
    """Whether `folder` takes files, or could be created."""
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


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
