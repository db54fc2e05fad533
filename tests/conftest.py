"""Settings of every test: a floating-point exception is an error, and figures need no display.

BLAS computes on one thread, as in every command: with two each, the processes of the tests mostly wait for one another.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack

os.environ.setdefault("MPLBACKEND", "Agg")
# read when BLAS is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.problem.law_kinds import MARGINALS
from mfpde.problem.laws.interface import LAWS
from mfpde.schemes.interface import SCHEMES
from mfpde.solvers.objective.losses.interface import LOSSES
from tests.mfpde.decaying import Chosen, lent

np.seterr(all="raise", under="ignore")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """What a test registers, or a user's file that it uses, is forgotten afterwards."""
    with ExitStack() as lends:
        for registry in (ACTIVATIONS, MARGINALS, LAWS, SCHEMES, LOSSES):
            lends.enter_context(registry.lending())
        yield


@pytest.fixture
def decaying() -> Iterator[Chosen]:
    """The scheme "decaying" of tests.mfpde.decaying while the test runs."""
    with lent() as kind:
        yield kind


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as quick what is not marked as long: `pytest -m quick`."""
    for item in items:
        if item.get_closest_marker("long") is None:
            item.add_marker("quick")


def pytest_collection_finish() -> None:
    """Modules and tests are never garbage: to look through them took a twentieth of all processor time."""
    gc.collect()
    gc.freeze()
