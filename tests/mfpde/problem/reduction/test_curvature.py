"""Derivative bounds of Psi against differences of Psi itself: they must hold at every point of every cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.solvers.space.measure import Atoms

BENT = {"knots": [0.0, 0.5, 1.5], "values": [-2.5, -4.0, 7.5]}
MIXTURE = {"dims": [12, 7], "delta": 0.6}
PROBLEMS: dict[str, dict[str, Any]] = {
    "truncated-relu": {"data": MIXTURE, "network": {"activation": "truncated-relu"}},
    "bent": {"data": {"dims": [9], "delta": 0.5}, "network": {"activation": BENT}},
    "bent-two-blocks": {"data": MIXTURE, "network": {"activation": BENT}},
    "relu": {"data": MIXTURE, "network": {"activation": "relu"}},
    "relu-trained": {
        "data": {"dims": [12], "delta": 0.6},
        "network": {"activation": "relu", "coefficients": "trained"},
    },
    "tanh-offset": {"data": MIXTURE, "network": {"activation": "tanh", "offsets": "trained"}},
    "clipped-all-trained": {
        "data": {"dims": [12], "delta": 0.6},
        "network": {"activation": "truncated-relu", "coefficients": "trained", "offsets": "trained"},
    },
    "sigmoid": {"data": MIXTURE, "network": {"activation": "sigmoid", "offsets": "fixed"}, "initial": {"b": 0.4}},
    "infinite": {
        "data": {"dims": "infinite", "fractions": [0.3, 0.7], "delta": 0.4},
        "network": {"activation": BENT},
    },
    "bumps": {
        "data": {"law": "gaussian-bumps", "centres": [-1.0, 0.5], "width": 0.5},
        "network": {},
        "initial": {"position": {"normal": [0.0, 1.0]}},
    },
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_bounds_hold_inside_their_cells(name: str) -> None:
    problem = build_problem(parse(PROBLEMS[name]))
    dimension = problem.geometry.dimension
    generator = np.random.default_rng(len(name))
    box = problem.geometry.box(3.0)
    lower, upper = box.lower, box.upper
    objective = problem.represent("exact", box, 1e-9).objective
    typical, largest = [], []
    for _ in range(4):
        atoms = 3
        weights = generator.dirichlet(np.ones(atoms))
        law = Atoms(generator.uniform(lower, upper, size=(atoms, dimension)), weights)
        outputs = law.outputs(objective.features)
        bounds = problem.data.curvature(problem.unit, law.points, weights, outputs, objective.risk(outputs))
        assert bounds is not None
        inside = generator.uniform(lower + 0.02, upper - 0.02, size=(300, dimension))
        size = 0.05 * generator.random((300, dimension))
        low, high = np.maximum(inside - size, lower), np.minimum(inside + size, upper)
        second, slope = bounds.second_derivatives(low, high), bounds.slopes(low, high)
        step = 1e-3
        for axis in range(dimension):
            shift = step * np.eye(dimension)[axis]
            ahead, here, behind = (objective.psi(inside + s * shift, outputs) for s in (1.0, 0.0, -1.0))
            curvature = (ahead - 2.0 * here + behind) / step**2
            # differences average over the step, within the cell or just beyond it
            assert np.all(curvature <= second[:, axis] * 1.01 + 2e-3)
            assert np.all(np.abs(ahead - behind) / (2.0 * step) <= slope[:, axis] * 1.001 + 1e-6)
            typical.append(float(np.median(second[:, axis])))
            largest.append(float(np.max(np.abs(curvature))))
    # a bound of infinity would pass as well
    assert max(typical) < 60.0 * max(largest)
