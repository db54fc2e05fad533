"""What of a user's surroundings keeps the program from running: told in words before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path

from mfpde.errors import ConfigurationError

THREADS, LAYER = "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER"


def incomplete_checkout() -> list[str]:
    """The refusal of a checkout in which the link to the solvers is not one."""
    place = Path(__file__).parents[1] / "solvers"
    if (place / "__init__.py").is_file():
        return []
    remedy = f"run `git config core.symlinks true` and `git checkout -- {place.parent.name}/{place.name}`"
    return [f"{place}: is not the folder of the solvers, to which it is a symbolic link; {remedy}, or copy it there"]


def unusable_threads(given: bool) -> list[str]:
    """The refusal of variables with which compiled loops do not start; `given` says whether --threads is."""
    count = os.environ.get(THREADS)
    if not given and count is not None and not (count.strip().isdecimal() and int(count) > 0):
        return [f"{THREADS} = {count!r}: is not a whole number above 0; unset it, or write --threads 2"]
    layer = os.environ.get(LAYER, "default")
    if layer in ("default", "workqueue"):
        return []
    try:
        from numba.np.ufunc.parallel import _launch_threads

        _launch_threads()
    except (ValueError, ImportError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return [f"{LAYER} = {layer!r}: numba cannot use it ({reason}); unset it, or write workqueue"]
    return []


def refuse_drawing() -> None:
    """Raise ConfigurationError where matplotlib does not start with the settings that it finds."""
    try:
        import matplotlib  # noqa: F401
    except (ValueError, OSError, RuntimeError) as error:
        message = f"figures: matplotlib does not start ({error}); correct MPLBACKEND or the file matplotlibrc"
        raise ConfigurationError([message]) from None
