"""Settings of every test: a floating-point exception is an error, and figures need no display."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from tests.mfpde.decaying import Chosen, lent

os.environ.setdefault("MPLBACKEND", "Agg")
np.seterr(all="raise", under="ignore")


@pytest.fixture
def decaying() -> Iterator[Chosen]:
    """The scheme "decaying" of tests.mfpde.decaying while the test runs."""
    with lent() as kind:
        yield kind
