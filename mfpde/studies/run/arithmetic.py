"""Numbers that leave the range of floating point are errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# What NumPy, LAPACK and Python raise where a number leaves the range of floating point.
ARITHMETIC = (ArithmeticError, np.linalg.LinAlgError)


@contextmanager
def strict_arithmetic() -> Iterator[None]:
    """A number that leaves the range of floating point is an error, not a NaN that travels on."""
    with np.errstate(all="raise", under="ignore"):
        yield
