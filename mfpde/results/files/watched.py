"""Numbers of a law that some data laws tell beside the risk: on a test set, on the population, of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mfpde.results.files.netcdf_file import Variables, native, put
from mfpde.solvers.arrays import Array

MEANING = {
    "test_risk": "the same risk on what was not trained on",
    "accuracy": "share of the weight of the training samples whose class is the sign of f",
    "test_accuracy": "the same share of the test set",
    "margin": "least y f over the training samples, over the path norm: the mean of |a| |(w, b)|",
    "kernel_margin": "the same over the root of the mean of a^2, the norm of outputs alone",
}


def put_watched(file: Any, dimensions: tuple[str, ...], watched: Mapping[str, Array]) -> None:
    """Write them as variables of their own."""
    for name, values in watched.items():
        put(file, name, dimensions, values, MEANING[name])


def watched_in(variables: Variables) -> dict[str, Array]:
    """Those that a file holds."""
    return {name: native(variables, name) for name in MEANING if name in variables}
