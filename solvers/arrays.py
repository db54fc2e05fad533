"""The array that everything here passes on, and how compiled functions that only others like them call are made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

INNER = {"cache": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For `numba.njit` of what no Python calls: without an entry from there, a sixth of its compilation."""
