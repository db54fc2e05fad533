"""From a configuration to trajectories: the reference by characteristics, and what build_problem declares."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.flow.time_loop import Observation, integrate
from mfpde.solvers.space.axis import Line, Radius
from tests import reference

QUICK = [
    ("isotropic_N_d320_kappa0.4", 100.0),
    ("isotropic_N_d320_kappa0.1", 0.04),
    ("infinite_T_D0.8_k0.8", 100.0),
    ("infinite_isotropic_N_D0.5_k0.4", 100.0),
    ("anisotropic_T_D0.8_k0.8", 3.0),
]


@pytest.mark.parametrize(("name", "end"), QUICK)
def test_characteristics_reproduce_the_reference(name: str, end: float) -> None:
    rows = [row for row in reference.case(name)["rows"] if row["t"] <= end]
    times = [float(row["t"]) for row in rows]
    configuration = parse(reference.tables(name, end, times))
    scheme = make_pair(build_problem(configuration), configuration).main
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: seen.append(scheme.observe(state)))
    for row, observation in zip(rows, seen, strict=True):
        value, bar = row["R"]
        assert observation.risk == pytest.approx(value, abs=max(1e-8, 3.0 * bar), rel=0)
        for key in ("mean_r", "mean_r1"):
            if key in row:
                # an atom on the way into the origin moves the mean as its own error bar says
                within = max(1e-7, 3.0 * row[key][1], bar)
                assert observation.mean[0] == pytest.approx(row[key][0], abs=within, rel=0)


def test_coordinates_follow_the_declaration() -> None:
    tables = {
        "data": {"dims": [3, 5], "delta": 0.5},
        "network": {"activation": "tanh", "coefficients": "trained", "offsets": "fixed"},
        "initial": {"kappa": 0.8, "a": 0.7, "b": {"normal": [0.0, 0.3]}},
    }
    problem = build_problem(parse(tables))
    assert problem.geometry.names == ("r1", "r2", "a", "b")
    assert problem.geometry.mobile == (True, True, True, False)
    assert problem.geometry.axes == (Radius(3.0), Radius(5.0), Line(), Line())
    assert len(problem.initial_law.labels) == 3
    embedded = problem.initial_law.embed(np.array([[0.1, 0.2, -0.4]]))
    assert embedded.tolist() == [[0.1, 0.2, 0.7, -0.4]]
