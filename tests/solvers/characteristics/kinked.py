"""Units at samples, and atoms that move under them, for the tests of kinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.panels import LabelLaw
from mfpde.solvers.characteristics.sliding import SlidingCharacteristics
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, integrate
from mfpde.solvers.networks.samples.outputs import SampleFeatures
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.axis import Line
from mfpde.solvers.space.geometry import Geometry

RELU = PiecewiseLinear([0.0], [1.0])


def atoms_at(rows: Array, weights: Array | None = None) -> LabelLaw:
    """A law of atoms: the label is their number."""
    masses = np.full(len(rows), 1.0 / len(rows)) if weights is None else weights

    def number(labels: Array) -> Any:
        return labels[:, 0].astype(int)

    places = (np.arange(len(rows), dtype=float),)
    return LabelLaw((), lambda x: masses[number(x)], lambda x: rows[number(x)], (), places)


def sliding(
    x: Any,
    y: Any,
    rows: Any,
    unit: Activation = RELU,
    trained: bool = True,
    offset: str = "none",
    weights: Any = None,
    omega: Any = None,
    tolerance: float = 1e-10,
    **flow: Any,
) -> SlidingCharacteristics:
    """Atoms (w, a[, b]) of these rows on samples."""
    x, rows = np.array(x, dtype=float), np.array(rows, dtype=float)
    d = x.shape[1]
    features = WithCoefficient(SampleFeatures(x, unit, offset != "none"), d)
    shares = np.full(len(x), 1.0 / len(x)) if omega is None else np.array(omega)
    names = [*(f"w{i}" for i in range(d)), "a", "b"][: rows.shape[1]]
    frozen = ["a"] * (not trained) + ["b"] * (offset == "fixed")
    geometry = Geometry.of({name: Line() for name in names}, frozen)
    objective = Objective(features, nodal_loss("square", shares, np.array(y, dtype=float)))
    law = atoms_at(rows, None if weights is None else np.array(weights))
    return SlidingCharacteristics(objective, geometry, Flow(**flow), law, tolerance)


def run(scheme: SlidingCharacteristics, times: list[float]) -> tuple[list[Observation], list[State]]:
    """Observations at these times, and the state after each step."""
    seen: list[Observation] = []
    states: list[State] = []
    integrate(scheme, scheme.initial_state(), times, lambda _, state: seen.append(scheme.observe(state)), states.append)
    return seen, states
