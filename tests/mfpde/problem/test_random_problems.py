"""Random problems run, or refuse with a reason: no NaN, no negative density, no lost mass, no risen free energy.

The profile is fixed and derandomised: every run of the suite sees the same problems.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.results.answers.solve import SolveResult
from mfpde.studies.run.refusals import unsupported
from mfpde.studies.solve import solve

MACHINE = np.finfo(float).eps
# Nothing is shrunk: that takes minutes, and the problem that fails is printed.
FEW = settings(
    max_examples=5,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

small, large = st.integers(1, 3), st.integers(20, 100_000)
# Two small blocks, three blocks and smooth activations take long to set up: left to the tests of the reduction.
dimensions = st.one_of(
    st.lists(large, min_size=1, max_size=2),
    st.lists(small, min_size=1, max_size=1),
    st.just([100_000, 1]),
)
between = st.floats(0.05, 3.0)
activations = st.one_of(
    st.sampled_from(["truncated-relu", "relu"]),
    st.lists(
        st.tuples(st.floats(-2.0, 2.0), st.floats(-4.0, 4.0)), min_size=2, max_size=4, unique_by=lambda pair: pair[0]
    )
    .map(sorted)
    .filter(lambda pairs: min(high[0] - low[0] for low, high in itertools.pairwise(pairs)) > 0.05)
    .map(lambda pairs: {"knots": [knot for knot, _ in pairs], "values": [value for _, value in pairs]}),
)
laws = st.one_of(
    st.floats(-1.0, 1.5), st.tuples(st.floats(-1.0, 1.0), between).map(lambda pair: {"normal": list(pair)})
)
radii = st.one_of(
    st.builds(lambda kappa: {"kappa": kappa}, between),
    st.builds(lambda low, width: {"radius": {"uniform": [low, low + width]}}, st.floats(0.01, 1.0), between),
    st.just({"radius": {"table": [[0.1, 0.4, 0.9], [0.0, 1.0, 0.5]]}}),
)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """The tables of a problem, short in time and coarse in every direction."""
    dims = draw(dimensions)
    data: dict[str, Any] = {"dims": dims}
    if draw(st.booleans()):
        data["delta"] = draw(st.floats(0.0, 0.99))
    else:
        data["scales"] = [[draw(between), draw(between)] for _ in dims]
    network: dict[str, Any] = {"activation": draw(activations)}
    initial: dict[str, Any] = dict(draw(radii))
    # One further coordinate at most, none beside three blocks or a small one: grids and set-up stay small.
    if len(dims) < 3 and min(dims) > 3:
        moving = draw(st.sampled_from(["nothing", "a", "b"]))
        if moving == "a":
            network["coefficients"] = draw(st.sampled_from(["fixed", "trained"]))
            initial["a"] = draw(laws)
        elif moving == "b":
            network["offsets"] = draw(st.sampled_from(["fixed", "trained"]))
            initial["b"] = draw(laws)
    dynamics = {"ridge": draw(st.sampled_from([0.0, 0.0, 0.3])), "schedule": {"power": draw(st.floats(-0.6, 1.0))}}
    time = {"end": draw(st.floats(1e-3, 0.1)), "save": draw(st.integers(2, 4))}
    return {"data": data, "network": network, "initial": initial, "dynamics": dynamics, "time": time}


@st.composite
def flows(draw: st.DrawFn, noise: bool) -> dict[str, Any]:
    """A problem with birth and death, with noise and ridge, or with both."""
    tables = draw(problems())
    dynamics = dict(tables["dynamics"])
    if draw(st.booleans()) or not noise:
        dynamics["flow"] = draw(st.sampled_from(["wasserstein-fisher-rao", "fisher-rao"]))
        dynamics["fisher_rao_rate"] = draw(st.floats(0.1, 20.0))
    if noise:
        # a small block beside a large one takes half a minute to set up
        data = {**tables["data"], "dims": [min(p, 500) for p in tables["data"]["dims"]]}
        if data["dims"] == [500, 1]:
            data = {name: given[:1] if isinstance(given, list) else given for name, given in data.items()}
        tables = {**tables, "data": data}
        dynamics |= {"inverse_temperature": draw(st.floats(2.0, 500.0)), "ridge": draw(st.floats(0.05, 1.0))}
    return {**tables, "dynamics": dynamics}


def attempt(tables: Mapping[str, Any], solver: Mapping[str, Any]) -> SolveResult | None:
    """The result, None where the problem is refused with a reason that names a remedy."""
    configuration: Experiment = parse({**tables, "solver": dict(solver)})
    assert not unsupported(configuration)
    try:
        return solve(configuration)
    except ConfigurationError as refusal:
        messages = refusal.messages
    assert all("write" in message for message in messages)
    return None


def check(result: SolveResult) -> None:
    """What every result must hold, whatever the problem."""
    assert result.status in ("success", "failed")
    # what failed, and what can be done
    assert result.status == "success" or re.fullmatch(r"t = .*: .+; .+", str(result.attributes["message"]))
    for values in (result.risk, result.risk_error, result.free_energy, result.mean, result.variance):
        assert np.isfinite(values).all()
    assert np.all(result.risk >= -1e-9)
    assert np.all(result.variance >= 0.0)
    np.testing.assert_allclose(result.mass, 1.0, rtol=0.0, atol=1e4 * MACHINE)


def falling(result: SolveResult) -> None:
    """The free energy does not rise."""
    energy = result.free_energy
    assert np.all(np.diff(energy) <= 1e3 * MACHINE * (1.0 + np.abs(energy[1:])))


def on_cells(result: SolveResult | None) -> None:
    """What a result on a grid must hold besides."""
    if result is None:
        return
    check(result)
    if not len(result.time):
        return
    assert result.density is not None
    assert np.all(result.density >= 0.0)
    np.testing.assert_allclose(result.cell_masses.reshape(len(result.time), -1).sum(axis=1), 1.0, atol=1e-12)
    falling(result)


def on_atoms(result: SolveResult | None) -> None:
    """What a result on atoms must hold besides."""
    if result is None:
        return
    check(result)
    assert result.weight is not None
    assert result.position is not None
    assert np.all(result.weight >= 0.0)
    radius = [name.startswith("r") for name in result.names]
    present = result.weight > 0.0
    assert np.all(result.position[present][:, radius] >= 0.0)


@pytest.mark.long
@given(problems())
@FEW
def test_finite_volumes_on_random_problems(tables: dict[str, Any]) -> None:
    on_cells(attempt(tables, {"scheme": "finite-volume", "cells": 10, "tolerance": 0.05}))


@given(problems())
@FEW
def test_characteristics_on_random_problems(tables: dict[str, Any]) -> None:
    on_atoms(attempt(tables, {"scheme": "characteristics", "atoms": 4, "tolerance": 0.05}))


@pytest.mark.long
@given(flows(noise=True))
@FEW
def test_finite_volumes_with_noise_and_births_on_random_problems(tables: dict[str, Any]) -> None:
    on_cells(attempt(tables, {"scheme": "finite-volume", "cells": 6, "tolerance": 0.05}))


@pytest.mark.long
@given(flows(noise=True))
@FEW
def test_minimising_movements_with_noise_on_random_problems(tables: dict[str, Any]) -> None:
    on_cells(attempt(tables, {"scheme": "jko", "cells": 6, "tolerance": 0.05}))


@pytest.mark.long
@given(flows(noise=False))
@FEW
def test_characteristics_with_births_on_random_problems(tables: dict[str, Any]) -> None:
    on_atoms(attempt(tables, {"scheme": "characteristics", "atoms": 4, "tolerance": 0.05}))


@pytest.mark.long
@given(st.one_of(problems(), flows(noise=False)), st.sampled_from([1, 2]), st.sampled_from([None, 1e-3, 0.3]))
@FEW
def test_minimising_movements_on_random_problems(tables: dict[str, Any], order: int, step: float | None) -> None:
    solver = {"scheme": "jko", "atoms": 4, "tolerance": 0.05, "order": order} | ({} if step is None else {"step": step})
    result = attempt(tables, solver)
    on_atoms(result)
    if result is not None:
        falling(result)
        assert result.residual is not None
        assert np.all(result.residual >= 0.0)
