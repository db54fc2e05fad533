"""The reference values of the project, and the problems they belong to."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mfpde.problem.activations.piecewise_linear import TruncatedRelu
from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from tests.mixtures import with_delta

Tables = dict[str, dict[str, Any]]


@cache
def values() -> dict[str, Any]:
    """The content of reference.json; entries are [value, error bar]."""
    text = (Path(__file__).parent / "reference.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def activation(letter: str) -> PiecewiseLinear:
    """The activation "T", "M" or "N" of the reference."""
    declared = values()["conventions"]["activations"][letter]
    if letter == "T":
        return TruncatedRelu()
    return PiecewiseLinear.through(np.array(declared["knots"], float), np.array(declared["values"], float))


def mixture(entry: dict[str, Any]) -> BlockMixture:
    """The data law of an entry with d, s0 and Delta."""
    blocks = (entry["s0"], entry["d"] - entry["s0"])
    dimensions = tuple(float(p) for p in blocks if p > 0)
    fractions = tuple(p / entry["d"] for p in dimensions)
    return with_delta(entry["Delta"], dimensions, fractions)


def case(name: str) -> dict[str, Any]:
    """The noise-free trajectory with this name."""
    (found,) = (entry for entry in values()["noise_free"] if entry["case"] == name)
    return dict(found)


def tables(name: str, end: float, save: list[float] | int = 2, tolerance: float = 1e-8) -> Tables:
    """The TOML tables of a noise-free trajectory, solved by characteristics."""
    parameters = case(name)["params"]
    letter = parameters["act"]
    declared = values()["conventions"]["activations"][letter]
    data: dict[str, Any] = {"delta": parameters["Delta"]}
    if parameters["d"] == "inf":
        isotropic = "isotropic" in name and "anisotropic" not in name
        fractions = [1.0] if isotropic else [60 / 320, 260 / 320]
        data |= {"dims": "infinite", "fractions": fractions}
    else:
        d, s0 = parameters["d"], parameters["s0"]
        data["dims"] = [d] if s0 == d else [s0, d - s0]
    knots = {key: [float(number) for number in declared[key]] for key in ("knots", "values")}
    return {
        "data": data,
        "network": {"activation": "truncated-relu" if letter == "T" else knots},
        "initial": {"kappa": parameters["kappa"]},
        "time": {"end": end, "save": save},
        "solver": {"scheme": "characteristics", "tolerance": tolerance},
    }
