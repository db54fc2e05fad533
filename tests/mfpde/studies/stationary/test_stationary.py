"""Stationary laws against the reference, exact thresholds and the rates that characteristics show."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.stationary import Stationary, StationaryPoint
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow.time_loop import Observation, integrate
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.solvers.stationary.stability import Mode, stability
from mfpde.studies.solve import solve
from mfpde.studies.stationary.stationary import stationary
from tests.reference import activation, values

REFERENCE = values()["single_atom"]
OPTIMA = values()["optimum_isotropic"]


def configured(entry: dict[str, Any], **dynamics: Any) -> Experiment:
    """The isotropic problem of an entry of the reference."""
    declared = values()["conventions"]["activations"][entry["act"]]
    knots = {key: [float(number) for number in declared[key]] for key in ("knots", "values")}
    dims = {"dims": "infinite", "fractions": [1.0]} if entry["d"] == math.inf else {"dims": [entry["d"]]}
    tables = {"data": {"delta": entry["Delta"], **dims}, "network": {"activation": knots}}
    return parse(tables | ({"dynamics": dynamics} if dynamics else {}))


@cache
def found(index: int) -> Stationary:
    return stationary(configured(REFERENCE[index]))


def one_atom(result: Stationary) -> list[StationaryPoint]:
    return [point for point in result.points if len(point.masses) == 1]


@pytest.mark.long
@pytest.mark.parametrize("index", range(len(REFERENCE)), ids=[entry["act"] for entry in REFERENCE])
def test_reference_one_atom_laws(index: int) -> None:
    """Every law of the reference, no other, to 1e-8: position, risk, H0 and H0 + U12."""
    entry, result = REFERENCE[index], found(index)
    interior = [point for point in one_atom(result) if point.positions[0, 0] > 0.0]
    assert len(interior) == len(entry["interior"])
    assert result.complete
    for point, expected in zip(interior, entry["interior"], strict=True):
        assert point.positions[0, 0] == pytest.approx(expected["r_star"][0], abs=1e-10)
        assert point.risk == pytest.approx(expected["R"][0], abs=1e-12)
        assert point.splitting[0][0] == pytest.approx(expected["H0"][0], abs=1e-9)
        assert point.drift[0] == pytest.approx(expected["H0_plus_U12"][0], abs=1e-9)
        assert point.drift[0] - point.splitting[0][0] == pytest.approx(expected["U12"][0], abs=1e-9)
        assert point.stable is False
        assert "UNSTABLE" in expected["classification"] or "unstable" in expected["classification"]
        assert not point.global_optimum


def test_the_table_tells_what_grows_by_its_time_scale() -> None:
    """The plateau of N is left in 1/.0178446 = 56, where its neighbour is left in 1/56.88; the one at 0 is counted."""
    result = found(1)
    rows = {row.split("  ")[0]: row for row in result.table().splitlines()}
    assert next(iter(rows)) == "atoms"
    assert rows["atoms"].split() == ["atoms", "R", "gap", "rate", "lifetime", "verdict"]
    assert rows["1 at r1 = 2.0882"].endswith("0.0178        56  plateau, leaves in time 56")
    assert rows["1 at r1 = 0.19629"].endswith("56.9    0.0176  unstable, leaves in time 0.018")
    assert rows["1 at r1 = 0"].split()[-3:] == ["7.25", "7.25", "stable"]
    assert "one-atom laws with r1 = 0: 1, all found (it rests there)" in result.completeness
    assert all(any(line.startswith(word) for line in rows) for word in ("gap:", "lifetime:", "plateau:", "G = Psi"))
    assert "splits along" not in result.table()
    assert result.details().startswith(result.table())
    assert "splits along r1" in result.details()


def test_a_lifetime_is_that_of_the_largest_rate() -> None:
    for point in (*found(0).points, *found(1).points):
        everything = [*(value for own in point.splitting for value in own), *point.drift]
        content = point.to_json(("r1",))
        if point.stable is False:
            assert point.lifetime == pytest.approx(-1.0 / min(everything), rel=1e-12)
            assert content["lifetime"] == point.lifetime
            assert point.is_plateau == (min(point.drift) > -min(everything))
        else:
            assert "lifetime" not in content
            assert content.get("rate", 0.0) <= 0.0


def test_reference_classes_at_the_origin() -> None:
    """M is exponentially flat at 0: no verdict. N has a cone of slope 3.5904805: stable."""
    flat, cone = (next(point for point in one_atom(found(i)) if point.positions[0, 0] == 0.0) for i in (0, 1))
    assert flat.risk == pytest.approx(7.25, abs=1e-12)
    assert flat.stable is None
    assert "is within" in flat.note
    assert cone.risk == pytest.approx(7.25, abs=1e-12)
    assert cone.stable is True
    assert "slope 3.5904805" in cone.note
    assert not cone.global_optimum


@pytest.mark.parametrize("index", range(len(REFERENCE)), ids=[entry["act"] for entry in REFERENCE])
def test_gaps_are_measured_from_the_reference_optimum(index: int) -> None:
    entry, result = REFERENCE[index], found(index)
    (optimum,) = (o for o in OPTIMA if (o["act"], o["Delta"], o["d"]) == (entry["act"], entry["Delta"], entry["d"]))
    assert result.optimum.risk == pytest.approx(optimum["R_opt"], abs=1e-10)
    assert result.optimum.at_boundary
    assert result.optimum.certified
    for point in result.points:
        assert point.gap_to_optimum == pytest.approx(point.risk - optimum["R_opt"], abs=1e-10)
        assert point.gap_to_optimum > 1e-7


def test_split_atoms_lead_to_laws_of_several_atoms() -> None:
    """From the plateau of N, R = .0143, half and half: every branch has less risk, and its masses are those given."""
    result = found(1)
    plateau = next(point for point in one_atom(result) if point.risk < 0.1)
    halves = [
        p for p in result.points if len(p.masses) == 2 and f"of atom at r1 = {plateau.positions[0, 0]:.8g}" in p.note
    ]
    assert sorted(p.masses.min() for p in halves) == pytest.approx([0.25, 0.25, 0.5], abs=1e-14)
    landscape = landscape_of(REFERENCE[1])
    for point in halves:
        assert point.risk < plateau.risk - 0.009
        law = Atoms(point.positions, point.masses)
        assert np.abs(landscape.potential(law.points, landscape.outputs(law))[1]).max() < 1e-12


def landscape_of(entry: dict[str, Any], **dynamics: Any) -> Landscape:
    problem = build_problem(configured(entry, **dynamics))
    objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 10.0)), 1e-13).objective
    return Landscape(objective, problem.geometry, problem.flow)


def observed(landscape: Landscape, law: LabelLaw, times: list[float]) -> list[Observation]:
    scheme = Characteristics(landscape.objective, landscape.geometry, landscape.flow, law, tolerance=1e-12)
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda _, state: seen.append(scheme.observe(state)))
    return seen


def clusters(law: Atoms, offset: Array, width: float, atom: int) -> LabelLaw:
    """The atoms shifted by `offset` (n, 1), one of them spread evenly over `width`, as the image of one label."""
    edges = np.concatenate([[0.0], np.cumsum(law.weights)])
    edges[-1] = 1.0

    def embed(labels: Array) -> Array:
        index = np.clip(np.searchsorted(edges, labels[:, 0], side="right") - 1, 0, len(law.weights) - 1)
        within = (labels[:, 0] - edges[index]) / law.weights[index] - 0.5
        places = law.points[index, 0] + offset[index, 0] + np.where(index == atom, width * within, 0.0)
        return np.asarray(places[:, None])

    return LabelLaw((edges,), lambda labels: np.ones(len(labels)), embed)


def spread(observation: Observation, law: Atoms, atom: int) -> float:
    """Width of the law around one atom."""
    places = observation.law.points[:, 0]
    near = places[np.argmin(np.abs(places[:, None] - law.points[:, 0]), axis=1) == atom]
    return float(near.max() - near.min())


SPLITTING = [(0, [0], 20.0), (1, [1], 20.0), (1, [0], 0.02), (0, [3, 2], 20.0)]


@pytest.mark.parametrize(("index", "place", "time"), SPLITTING, ids=["M", "N-plateau", "N-separatrix", "M-two-atoms"])
def test_splitting_rates_are_seen_by_characteristics(index: int, place: list[int], time: float) -> None:
    """A narrow cloud around one atom widens like exp(-H t): to 1e-4 of the rate."""
    entry = REFERENCE[index]
    landscape = landscape_of(entry)
    interior = [p for p in found(index).points if p.positions[:, 0].min() > 0.0]
    pick = interior[place[0]] if len(place) == 1 else next(p for p in interior if len(p.masses) == place[1])
    law = Atoms(pick.positions, pick.masses)
    for mode in stability(landscape, law).splitting:
        atom = int(mode.atom or 0)
        seen = observed(landscape, clusters(law, 0.0 * law.points, 1e-6, atom), [0.0, time])
        rate = np.log(spread(seen[1], law, atom) / spread(seen[0], law, atom)) / time
        assert rate == pytest.approx(-mode.eigenvalue, abs=1e-4 * abs(mode.eigenvalue) + 1e-7)


@pytest.mark.parametrize(("index", "atoms", "time"), [(0, 1, 10.0), (1, 1, 2.0), (0, 2, 1.0)])
def test_drift_rates_are_seen_by_characteristics(index: int, atoms: int, time: float) -> None:
    """Whole atoms moved along a drift mode come back, or leave, like exp(-eigenvalue t)."""
    landscape = landscape_of(REFERENCE[index])
    points = [p for p in found(index).points if len(p.masses) == atoms and p.positions.min() > 1.0 / atoms]
    law = Atoms(points[-1].positions, points[-1].masses)
    for mode in stability(landscape, law).drift:
        assert measured_drift(landscape, law, mode, time) == pytest.approx(-mode.eigenvalue, rel=1e-3, abs=1e-6)


def measured_drift(landscape: Landscape, law: Atoms, mode: Mode, time: float) -> float:
    """Rate at which a small displacement along the mode grows."""
    offset = 1e-6 * mode.vector
    seen = observed(landscape, clusters(law, offset, 0.0, -1), [0.0, time])
    amplitudes = []
    for observation in seen:
        places = observation.law.points[:, 0]
        near = np.argmin(np.abs(places[:, None] - law.points[:, 0]), axis=1)
        shift = np.array([places[near == i].mean() for i in range(len(law.weights))]) - law.points[:, 0]
        # the modes are orthogonal with the masses as weights
        amplitudes.append(float((law.weights * shift) @ mode.vector[:, 0]))
    return float(np.log(amplitudes[1] / amplitudes[0]) / time)


def test_the_cone_takes_an_atom_in_at_its_slope() -> None:
    """Near 0 in the non-monotone problem dr/dt = -3.5904805: r = 1e-4 arrives at t = 2.8e-5."""
    landscape = landscape_of(REFERENCE[1])
    start = LabelLaw((), lambda labels: np.ones(len(labels)), lambda labels: np.full((len(labels), 1), 1e-4))
    before, after = observed(landscape, start, [2e-5, 3e-5])
    assert before.mean[0] == pytest.approx(1e-4 - 2e-5 * 3.5904805, rel=1e-3)
    assert after.mean[0] == 0.0


def at_rest_at_zero(ridge: float = 0.5, **data: Any) -> StationaryPoint:
    """The atom at w = 0 of rectified units on classes that are alike."""
    tables = {"data": data, "network": {"activation": "relu"}, "dynamics": {"ridge": ridge}}
    (point,) = (p for p in stationary(parse(tables), radius=3.0).points if not p.positions.any())
    return point


def test_gaps_are_those_of_the_free_energy() -> None:
    """A law that is not optimal under a ridge: the risks are further apart than the free energies."""
    unit = {"knots": [0.0, 0.5, 1.5], "values": [-2.5, -4.0, 7.5]}
    tables = {"data": {"dims": [320], "delta": 0.5}, "network": {"activation": unit}, "dynamics": {"ridge": 0.05}}
    found = stationary(parse(tables), radius=3.0)
    (dead,) = (p for p in found.points if not p.positions.any())
    assert dead.risk == dead.free_energy == pytest.approx(7.25, abs=1e-12)
    assert dead.gap_to_optimum == pytest.approx(dead.free_energy - found.optimum.free_energy, abs=1e-12)
    assert dead.risk - found.optimum.risk > dead.gap_to_optimum + 0.05


@pytest.mark.parametrize("dim", [1, 40])
def test_an_atom_at_a_kink_resists_itself(dim: int) -> None:
    """U(r, r') = C r r' with C = d (E n_+)^2, so that the whole atom falls back like exp(-(ridge + C) t)."""
    log_mean = math.lgamma(0.5 * dim) - math.lgamma(0.5 * (dim + 1)) - math.log(2.0 * math.sqrt(math.pi))
    point = at_rest_at_zero(dims=[dim], delta=0.0)
    np.testing.assert_allclose(point.splitting, 0.5, rtol=1e-10)
    np.testing.assert_allclose(point.drift, 0.5 + dim * math.exp(2.0 * log_mean), rtol=1e-9)


def test_outputs_at_a_scale_have_the_rates_of_targets_over_it() -> None:
    """(1/alpha) (y - alpha f) = y/alpha - f: the same flow, while Hess G is alpha^2 times as large."""
    values, alpha = [0.7, -0.4, 0.9], 2.5
    found = []
    for scale, targets in ((alpha, values), (1.0, [value / alpha for value in values])):
        data = {"law": "dataset", "points": [[-1.0], [0.4], [1.2]], "values": targets}
        (point,) = stationary(parse({"data": data, "network": {"activation": "tanh", "scale": scale}}), 2.0).points
        found.append([*point.splitting[0], *point.drift, point.rate])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_every_axis_has_its_drift_at_a_kink() -> None:
    """d = infinity: U = (1/2) sum_± tau tau' / (2 pi); along block j tau_± = s_j± r_j, alike in both classes."""
    point = at_rest_at_zero(dims="infinite", fractions=[0.3, 0.7], scales=[[1.5, 1.5], [0.5, 0.5]])
    np.testing.assert_allclose(np.sort(point.drift), 0.5 + np.array([0.25, 2.25]) / (2.0 * math.pi), rtol=1e-9)


def test_the_drift_at_a_kink_is_that_of_the_dynamics() -> None:
    tables = {
        "data": {"delta": 0.0, "dims": "infinite", "fractions": [1.0]},
        "network": {"activation": "relu"},
        "initial": {"kappa": 1e-3},
        "dynamics": {"ridge": 0.5},
        "time": {"end": 2.0, "save": [0.0, 2.0]},
        "solver": {"scheme": "characteristics", "tolerance": 1e-11},
    }
    radius = solve(parse(tables)).mean[:, 0]
    assert math.log(radius[0] / radius[1]) / 2.0 == pytest.approx(0.5 + 1.0 / (2.0 * math.pi), rel=1e-6)


def test_one_atom_reaches_zero_risk_at_the_threshold() -> None:
    """d = infinity: q((1 + Delta) r) = 1 and q((1 - Delta) r) = -1 at Delta = .474219, r = 1.749455."""
    unit = activation("M")
    assert isinstance(unit, PiecewiseLinear)

    def miss(unknowns: Array) -> Array:
        delta, r = unknowns
        scales = np.array([(1.0 + delta) * r, (1.0 - delta) * r])
        return np.asarray(unit.mean(scales, np.zeros(2)).value - np.array([1.0, -1.0]))

    delta, r = optimize.fsolve(miss, [0.5, 1.7], xtol=1e-13)
    assert delta == pytest.approx(0.474219, abs=1e-6)
    assert r == pytest.approx(1.749455, abs=1e-6)

    def best(threshold: float) -> StationaryPoint:
        result = stationary(configured({"act": "M", "Delta": threshold, "d": math.inf}), branches=False)
        return min(one_atom(result), key=lambda point: point.risk)

    at = best(float(delta))
    assert at.positions[0, 0] == pytest.approx(r, abs=1e-9)
    assert at.risk < 1e-20
    assert at.global_optimum
    for other in (delta - 0.01, delta + 0.01):
        assert best(float(other)).risk > 1e-5


@pytest.mark.long
@pytest.mark.parametrize("d", [math.inf, 40])
def test_birth_and_death_leave_only_global_minimisers(d: float) -> None:
    """Any law whose G is not least on its atoms is unstable, at the rate alpha times the difference."""
    alpha = 2.0
    entry = REFERENCE[0] | {"d": d}
    result = stationary(configured(entry, flow="wasserstein-fisher-rao", fisher_rao_rate=alpha))
    atom = next(point for point in one_atom(result) if point.positions[0, 0] > 0.0)
    landscape = landscape_of(entry, flow="wasserstein-fisher-rao", fisher_rao_rate=alpha)
    law = Atoms(atom.positions, atom.masses)
    grid = np.linspace(0.0, 10.0, 20_001)[:, None]
    outputs = landscape.outputs(law)
    drop = landscape.potential(law.points, outputs)[0][0] - landscape.potential(grid, outputs)[0].min()
    assert atom.stable is False
    rate = float(atom.note.split("births at ")[1].split("exp(")[1].split()[0])
    assert rate == pytest.approx(alpha * drop, rel=1e-5)
    if d == math.inf:
        pairs = [point for point in result.points if len(point.masses) == 2]
        assert pairs
        assert all(point.global_optimum and point.stable is None and point.risk < 1e-20 for point in pairs)
    assert all(point.global_optimum or point.stable is False for point in result.points)


def test_two_blocks_axes_and_origin() -> None:
    """Truncated ReLU on (60, 260): the one law that rests is (.856, 0), stable and the optimum of the reference."""
    result = stationary(parse({"data": {"dims": [60, 260], "delta": 0.8}, "network": {"activation": "truncated-relu"}}))
    (point,) = result.points
    expected = values()["optimum_anisotropic"][0]
    assert point.risk == pytest.approx(expected["R_opt"], abs=2e-11)
    assert point.positions[0, 0] == pytest.approx(expected["atoms_r1_r2_w"][0][0], abs=1e-5)
    assert point.positions[0, 1] == 0.0
    assert point.stable is True
    assert point.global_optimum
    assert result.complete
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["optimum"]["at_boundary"] is False
    assert written["optimum"]["atoms"][0]["position"]["r1"] == pytest.approx(point.positions[0, 0], abs=1e-7)
    assert any("is not stationary: G falls from there" in line for line in result.completeness)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "out.json"
    assert main(["stationary", "nonmonotone-success", "--radius", "3", "-o", str(place), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads(place.read_text(encoding="utf-8"))
    assert {**printed, "format": "mfpde stationary 1", "checksum": written["checksum"]} == written
    assert [len(point["atoms"]) for point in printed["points"]][:3] == [1, 1, 1]
    assert printed["optimum"]["radius"] == 3.0
    assert printed["points"][2]["atoms"][0]["position"]["r1"] == pytest.approx(2.0881845272033512, abs=1e-8)
    assert main(["stationary", "nonmonotone-success", "-o", str(place)]) == 2
    assert "--force" in capsys.readouterr().err


def test_refusals_name_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stationary", "nonmonotone-success", "--radius", "-1"]) == 2
    assert "--radius -1: is not a finite number above 0" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match=r"write inverse_temperature = inf for atoms"):
        stationary(configured(REFERENCE[0], inverse_temperature=10.0, ridge=0.1))
    with pytest.raises(ConfigurationError, match=r"without transport every atom rests"):
        stationary(configured(REFERENCE[0], flow="fisher-rao", fisher_rao_rate=1.0))


def trained(delta: float, ridge: float, activation: Any = "truncated-relu") -> Experiment:
    network = {"coefficients": "trained", "activation": activation}
    return parse({"data": {"delta": delta, "dims": [40]}, "network": network, "dynamics": {"ridge": ridge}})


def test_a_kink_at_0_couples_radius_and_coefficient_at_the_origin() -> None:
    """Near (r, a) = (0, 0), G = -delta r a / sqrt(2 pi) + ridge (r^2 + a^2) / 2 on r >= 0."""
    delta, ridge = 0.8, 0.02
    result = stationary(trained(delta, ridge), 3.0)
    (origin,) = (p for p in one_atom(result) if not p.positions.any())
    coupling = delta / math.sqrt(2.0 * math.pi)
    assert origin.splitting[0] == pytest.approx((ridge - coupling, ridge + coupling), abs=1e-9)
    assert origin.drift == pytest.approx(origin.splitting[0], abs=1e-9)
    assert origin.stable is False
    # a part of the atom at the origin that comes back to it is no new law to split
    assert min(point.masses.min() for point in result.points) >= 0.125


@pytest.mark.long
def test_a_root_at_0_of_a_coordinate_with_both_signs_is_found() -> None:
    """On r = 0, F = 1 + 6.25 a^2 for the activation through (.5, -2.5): the law at a = 0 is there."""
    activation = {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}
    result = stationary(trained(0.6, 0.0, activation), 2.0, branches=False)
    (origin,) = (p for p in one_atom(result) if not p.positions.any())
    assert origin.risk == pytest.approx(1.0, abs=1e-14)
    assert "one-atom laws in a with r1 = 0: 1, all found" in "".join(result.completeness)


@pytest.mark.long
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_network_of_one_output_rests_everywhere(activation: str) -> None:
    """Odd units without offsets average to a constant: F does not depend on the law."""
    network = {"activation": activation}
    result = stationary(parse({"data": {"dims": [40]}, "network": network}), 0.5)
    assert all(point.positions[0, 0] == 0.0 for point in result.points)
    assert result.optimum.free_energy == pytest.approx({"tanh": 1.0, "sigmoid": 1.25}[activation], abs=1e-12)
    assert "flat to rounding, so that any atom rests: 0 <= r1 <= 0.5" in "".join(result.completeness)


def test_gaps_to_the_optimum_are_those_of_the_free_energy() -> None:
    """With a ridge, which the risk leaves out: no gap is negative, and each is F less the least F."""
    found = stationary(parse({"data": {"dims": [10]}, "network": {}, "dynamics": {"ridge": 0.3}}), 4.0, branches=False)
    assert found.points
    for point in found.points:
        assert point.gap_to_optimum == pytest.approx(point.free_energy - found.optimum.free_energy, abs=1e-9)
        square = float(point.masses @ (point.positions**2).sum(axis=1))
        assert point.free_energy == pytest.approx(point.risk + 0.3 * square, abs=1e-12)
    assert any(point.positions.any() for point in found.points)
