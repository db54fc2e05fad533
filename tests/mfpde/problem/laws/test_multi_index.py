"""Multi-index targets: features against closed kernels and full dimension, edge cases, schemes, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.laws.multi_index import MultiIndex
from mfpde.problem.problem import Problem, build_problem
from mfpde.problem.reduction.gaussian.pairs import Pairs
from mfpde.problem.reduction.gaussian.pulls import Pull
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import integrate as integrate_flow
from mfpde.solvers.networks.order_parameters import OrderParameterFlow, Overlaps
from mfpde.solvers.space.box import Box


def problem(dim: int | str, activation: str, target: object = "erf", heads: bool = False, **data: object) -> Problem:
    network = {"activation": activation, **({"coefficients": "trained", "offsets": "trained"} if heads else {})}
    law = {"law": "multi-index", "dim": dim, "target": target, **data}
    return build_problem(parse({"data": law, "network": network}))


def erf_pairs(v: float, other: float, c: Array) -> Array:
    return np.asarray(2.0 / np.pi * np.arcsin(2.0 * c / np.sqrt((1.0 + 2.0 * v) * (1.0 + 2.0 * other))))


def relu_pairs(v: float, other: float, c: Array) -> Array:
    size = np.sqrt(v * other)
    theta = np.arccos(np.clip(c / size, -1.0, 1.0))
    return np.asarray((size * np.sin(theta) + c * (np.pi - theta)) / (2.0 * np.pi))


def turned(kappa: Any, z: Array, other: Array, rest: int) -> float:
    """E_n kappa, n the first coordinate of a uniform point of S^(rest - 1), by adaptive quadrature."""
    v, w, c, across = z @ z, other @ other, z[:-1] @ other[:-1], z[-1] * other[-1]
    if rest == 1:
        return 0.5 * float(kappa(v, w, c + across) + kappa(v, w, c - across))
    weight = integrate.quad(lambda x: np.sin(x) ** (rest - 2), 0.0, np.pi)[0]
    found = integrate.quad(
        lambda x: float(kappa(v, w, c + across * np.cos(x))) * np.sin(x) ** (rest - 2), 0.0, np.pi, epsabs=1e-13
    )
    return float(found[0] / weight)


@pytest.mark.parametrize("dim", [3, 4, 9])
@pytest.mark.parametrize(("activation", "kappa"), [("erf", erf_pairs), ("relu", relu_pairs)])
def test_sections_are_the_closed_kernels(dim: int, activation: str, kappa: Any) -> None:
    made = problem(dim, activation)
    pairs = Pairs(made.unit.activation, 2, dim - 2.0, False, 64, 0)
    rng = np.random.default_rng(dim)
    points, others = (rng.normal(size=(4, 3)) * [1.0, 1.0, 0.5] for _ in range(2))
    points[:, 2], others[:, 2] = np.abs(points[:, 2]), np.abs(others[:, 2])
    values, slopes = pairs.sections(points, others, slopes=True)
    expected = [[turned(kappa, z, other, dim - 2) for other in others] for z in points]
    # a kink at n = +-1 leaves the rule 1e-8 on the circle
    np.testing.assert_allclose(values, expected, rtol=0.0, atol=1e-12 if activation == "erf" or dim > 4 else 1e-7)
    for axis, step in enumerate(1e-5 * np.eye(3)):
        central = (pairs.sections(points + step, others)[0] - pairs.sections(points - step, others)[0]) / 2e-5
        np.testing.assert_allclose(slopes[:, :, axis], central, atol=2e-9)


@pytest.mark.parametrize("dim", [2, 3, 6, "infinite"])
def test_features_hold_what_neurons_have_in_common(dim: int | str) -> None:
    """U and V of the objective, and grad V, on a small box of erf: the pull of a teacher is a pair's."""
    made = problem(dim, "erf", weights=[0.7, -0.4])
    count = 2 if dim == 2 else 3
    points = np.abs(np.random.default_rng(3).normal(size=(6, count))) * 0.4
    objective = made.objective_about(points, accuracy=1e-12)
    values = objective.features.values(points)
    first, slopes = objective.features.contract(points, objective.loss.gradient(np.zeros(values.shape[1])))
    whole = np.column_stack([points, np.zeros(6)]) if dim == 2 else points
    rest = 10**6 if dim == "infinite" else int(dim) - 2
    for i, z in enumerate(whole):
        pulls = [c * erf_pairs(float(z @ z), 1.0, z[k]) for k, c in enumerate((0.7, -0.4))]
        assert first[i] == pytest.approx(-sum(pulls), abs=1e-11)
        for j in range(i if dim != "infinite" else 0):
            expected = turned(erf_pairs, z, whole[j], max(rest, 1))
            assert values[i] @ values[j] == pytest.approx(expected, abs=1e-11)
    if dim == "infinite":
        limit = erf_pairs(float(points[0] @ points[0]), float(points[1] @ points[1]), points[0, :2] @ points[1, :2])
        assert values[0] @ values[1] == pytest.approx(float(limit), abs=1e-11)
    step = 1e-5 * np.eye(count)[0]
    weights = objective.loss.gradient(np.zeros(values.shape[1]))
    ends = [objective.features.values(points + sign * step) @ weights for sign in (1, -1)]
    np.testing.assert_allclose(slopes[:, 0], (ends[0] - ends[1]) / 2e-5, atol=1e-8)


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_pulls_of_polynomials_are_those_by_panels(activation: str, heads: bool) -> None:
    """Values and gradients in m, s and b of a sum of terms, and of quadrature for each neuron."""
    made = problem(5, activation, {"hermite": [0.3, -0.5, 1.0, 0.2]}, heads=heads, weights=[0.7, -0.4])
    law, unit = made.data, made.unit
    assert isinstance(law, MultiIndex)
    pairs = Pairs(unit.activation, 2, law.across, unit.has_offset, 16, 24)
    points = np.random.default_rng(0).normal(size=(6, pairs.dimension))
    points[:, 2] = np.abs(points[:, 2])
    target = law.teachers()
    plain = replace(target, teachers=tuple(replace(teacher, hermite=()) for teacher in target.teachers))
    found, expected = (Pull(pairs, each, np.full(2, np.nan))(points, True) for each in (target, plain))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-13)


@pytest.mark.parametrize("target", [["erf", "sign"], [{"hermite": [0.0, 0.0, 1.0]}, "relu"]])
def test_values_in_full_dimension(target: list[object]) -> None:
    """V and U of two neurons with a and b against draws of x and of the directions across, within 5 standard errors."""
    made = problem(6, "tanh", target, heads=True, weights=[0.8, 0.5])
    points = np.array([[0.5, -0.2, 0.6, 1.2, 0.3], [-0.3, 0.4, 0.5, -0.7, -0.2]])
    box = Box(points.min(axis=0) - 0.05, points.max(axis=0) + 0.05)
    objective = made.represent("guide", box, 1e-5).objective
    values = objective.features.values(points)
    first = values @ objective.loss.gradient(np.zeros(values.shape[1]))
    rng, count = np.random.default_rng(0), 200_000
    x, outputs = rng.standard_normal((count, 6)), []
    for m1, m2, s, a, b in points:
        across = rng.standard_normal((count, 4))
        across *= s / np.linalg.norm(across, axis=1)[:, None]
        inner = np.einsum("ni,ni->n", across, x[:, 2:])
        outputs.append(a * np.tanh(m1 * x[:, 0] + m2 * x[:, 1] + inner + b))
    y = 0.8 * taught(target[0], x[:, 0]) + 0.5 * taught(target[1], x[:, 1])
    pairs = [(-y * outputs[0], first[0]), (-y * outputs[1], first[1]), (outputs[0] * outputs[1], values[0] @ values[1])]
    for sampled, exact in pairs:
        assert abs(sampled.mean() - exact) < 5.0 * sampled.std() / np.sqrt(count) + 1e-4
    assert made.data.teachers().second_moment == pytest.approx((y**2).mean(), rel=0.02)  # type: ignore[attr-defined]


def taught(target: object, u: Array) -> Array:
    if target == "erf":
        return np.asarray(special.erf(u))
    if target == "sign":
        return np.sign(u)
    return np.maximum(u, 0.0) if target == "relu" else (u**2 - 1.0) / np.sqrt(2.0)


def test_one_direction_is_the_single_index() -> None:
    """Psi and its slope of one law under both reductions, which share no features."""
    law = mfpde.Atoms(np.array([[0.4, 0.5], [-0.2, 0.7]]), np.array([0.3, 0.7]))
    points = np.array([[0.3, 0.2], [0.9, 0.6], [0.0, 0.8]])
    found = []
    for data in ({"law": "multi-index", "weights": [1.0]}, {"law": "single-index"}):
        made = build_problem(parse({"data": {**data, "dim": 7, "target": "sign"}, "network": {"activation": "erf"}}))
        found.append((made.psi(points, law), made.psi_gradient(points, law), made.risk(law)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-9)


def test_directions_may_be_exchanged() -> None:
    """A law mirrored in m_1 = m_2 has the mirror image of its Psi, weights and targets exchanged alike."""
    law = np.array([[0.4, -0.1, 0.5], [-0.2, 0.3, 0.7]])
    points = np.array([[0.3, 0.1, 0.2], [0.5, -0.4, 0.6]])
    one = problem(5, "erf", ["erf", "sign"], weights=[0.3, 0.9])
    other = problem(5, "erf", ["sign", "erf"], weights=[0.9, 0.3])
    masses, swapped = np.array([0.4, 0.6]), [1, 0, 2]
    first = one.psi_gradient(points, mfpde.Atoms(law, masses))
    second = other.psi_gradient(points[:, swapped], mfpde.Atoms(law[:, swapped], masses))
    np.testing.assert_allclose(first, second[:, swapped], atol=1e-8)


def test_the_limit_of_infinite_dimension_is_one_atom() -> None:
    """Two equal directions: m' = -d_m Psi, s' = -d_s Psi of one atom (m, m, s), integrated with the closed kernels."""

    def slope(_: float, z: Array) -> Array:
        m, s = z
        v, w = 2.0 * m * m + s * s, 3.0
        square, x = 1.0 + 2.0 * v, 2.0 * m / np.sqrt((1.0 + 2.0 * v) * w)
        pull, own = 2.0 / np.pi / np.sqrt(1.0 - x * x), 4.0 * m * m / (1.0 + 2.0 * v)
        pair = 2.0 / np.pi / np.sqrt(1.0 - own * own)
        by_v = -pull * x / square + pair * own / square
        along = pull / np.sqrt(square * w) - pair * 2.0 * m / square
        return np.array([along + 2.0 * m * by_v, 2.0 * s * by_v])

    exact = integrate.solve_ivp(slope, (0.0, 3.0), [0.0, 0.8], rtol=1e-11, atol=1e-12).y[:, -1]
    data = {"law": "multi-index", "dim": "infinite"}
    run = mfpde.solve(
        parse({"data": data, "network": {"activation": "erf"}}),
        end=3.0,
        save=2,
        scheme="characteristics",
        tolerance=1e-8,
    )
    np.testing.assert_allclose(run.mean[-1], [exact[0], exact[0], exact[1]], atol=1e-7)


def test_a_start_that_never_moves_along_the_targets_says_so() -> None:
    data: dict[str, Any] = {"law": "multi-index", "dim": "infinite", "target": {"hermite": [0.0, 0.0, 1.0]}}
    run = mfpde.solve(
        parse({"data": data, "network": {"activation": "relu"}}), end=0.1, save=2, scheme="characteristics"
    )
    assert run.attributes["invariant_start"] == 1
    assert np.abs(run.mean[-1, :2]).max() < 1e-9


@pytest.mark.long
def test_grids_and_atoms_agree_and_sgd_follows() -> None:
    """d = K = 2: two coordinates and no w_perp."""
    start = {"w1": {"uniform": [0.1, 0.7]}, "w2": {"uniform": [-0.4, 0.2]}}
    experiment = parse({"data": {"law": "multi-index", "dim": 2}, "network": {"activation": "erf"}, "initial": start})
    options: dict[str, Any] = {"end": 0.5, "save": 2}
    atoms = mfpde.solve(experiment, scheme="characteristics", tolerance=1e-3, **options)
    grid = mfpde.solve(experiment, scheme="finite-volume", cells=24, tolerance=1e-3, **options)
    assert (np.abs(grid.risk - atoms.risk) <= 3.0 * (grid.risk_error + atoms.risk_error)).all()
    np.testing.assert_allclose(grid.mean[-1], atoms.mean[-1], atol=2e-3)
    replicas = mfpde.sgd(experiment, neurons=100, step_size=1e-3, replicas=3, seed=3, workers=1, **options)
    spread = replicas.risk.std(axis=0, ddof=1) / 1.7 + replicas.risk_error.max(axis=0) + 0.03 * atoms.risk
    assert (np.abs(replicas.risk.mean(axis=0) - atoms.risk) <= 4.0 * spread).all()


def test_every_mistake_is_named_at_once() -> None:
    data: dict[str, Any] = {"law": "multi-index", "dim": 2, "weights": [0.1] * 4, "target": ["erf"] * 3, "noise": -1.0}
    with pytest.raises(ConfigurationError) as caught:
        parse({"data": data, "network": {}, "initial": {"w1": {"normal": [0.0, -1.0]}}})
    text = str(caught.value)
    assert len(caught.value.messages) == 4
    for words in ("4 directions, but K <= dim = 2", "3 targets for 4 weights", "data.noise", "initial.w1.normal"):
        assert words in text
    cases: list[tuple[dict[str, Any], str]] = [
        ({"weights": [1.0, 1.0, 1.0, 1.0], "dim": "infinite"}, "K <= 3"),
        ({"weights": [0.0, 0.0]}, "y is constant"),
        ({"target": {"knots": [0.0, 1.0], "values": [2.0, 2.0]}}, "y is constant"),
        ({"target": ["erf", {"hermite": [1.0, 0.0]}]}, "data.target.2.hermite"),
        ({"target": ["erf", "nothing"]}, "data.target.2"),
        ({"inputs": "torus"}, "data.inputs"),
    ]
    for given, words in cases:
        with pytest.raises(ConfigurationError, match=words):
            parse({"data": {"law": "multi-index", **given}, "network": {"activation": "erf"}})
    with pytest.raises(ConfigurationError, match=r"initial\.w3: there are 2 directions"):
        parse({"data": {"law": "multi-index"}, "network": {"activation": "erf"}, "initial": {"w3": 0.5}})
    noisy = {"inverse_temperature": 10.0, "ridge": 0.1}
    with pytest.raises(ConfigurationError, match=r'noise is undefined at data\.dim = "infinite"'):
        parse({"data": {"law": "multi-index", "dim": "infinite"}, "network": {}, "dynamics": noisy})


def test_the_population_is_that_of_single_neurons() -> None:
    """Of one neuron R and Psi are those of its reduced coordinates: nothing is averaged that is not seen."""
    made = problem(5, "erf", ["erf", "sign"], weights=[0.7, -0.4], noise=0.2)
    w = np.array([[0.3, -0.2, 0.1, 0.4, -0.2]])
    population = made.data.population(made.data.sampler(), made.unit.activation)
    assert population is not None
    z = np.array([[0.3, -0.2, np.sqrt(0.21)]])
    nothing = mfpde.Atoms(z, np.zeros(1))
    expected = made.risk(nothing) + 2.0 * float(made.psi(z, nothing)[0]) + 2.0 / np.pi * np.arcsin(0.68 / 1.68)
    assert population.risk(w, np.ones(1), np.zeros(1)) == pytest.approx(expected, abs=1e-9)


def test_actual_neurons_begin_like_those_of_sgd_and_keep_their_number() -> None:
    """R of the run at t = 0 is the exact R of SGD's first network; N = 1 follows its own law where d = K."""
    tables: dict[str, Any] = {"data": {"law": "multi-index", "dim": 6}, "network": {"activation": "erf"}}
    tables |= {"solver": {"scheme": "particles", "neurons": "actual", "atoms": 5}, "sgd": {"neurons": 5}}
    run = mfpde.solve(parse(tables), end=1.0, save=2)
    first = mfpde.sgd(parse(tables), end=1e-3, save=2, step_size=1e-3, workers=1)
    assert run.risk[0] == pytest.approx(first.risk[0, 0], abs=1e-12)
    assert run.position is not None
    assert run.position.shape == (2, 5, 3)
    assert run.risk_error[-1] < 1e-8
    assert run.risk[-1] < run.risk[0]
    alone = {**tables, "data": {"law": "multi-index", "dim": 2}, "initial": {"w1": 0.3, "w2": -0.2}}
    single = mfpde.solve(parse({**alone, "solver": {**tables["solver"], "atoms": 1}}), end=1.0, save=2)
    atom = mfpde.solve(parse({**alone, "solver": {"scheme": "characteristics", "tolerance": 1e-8}}), end=1.0, save=2)
    np.testing.assert_allclose(single.mean[-1], atom.mean[-1], atol=1e-7)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"network": {"activation": "tanh"}}, "order parameters need erf, relu"),
        ({"network": {"activation": "relu"}}, "targets that are the activation itself"),
        ({"network": {"activation": "erf", "offsets": "trained"}}, "without offsets"),
        ({"data": {"law": "single-index"}}, 'the law "single-index" does not close'),
        ({"dynamics": {"inverse_temperature": 9.0, "ridge": 0.1}}, "have no noise"),
        ({"dynamics": {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0}}, "are not born"),
    ],
)
def test_actual_neurons_are_refused_in_words(tables: dict[str, Any], words: str) -> None:
    base: dict[str, Any] = {"data": {"law": "multi-index"}, "network": {"activation": "erf"}}
    base |= {"solver": {"scheme": "particles", "neurons": "actual"}}
    with pytest.raises(ConfigurationError, match=words):
        mfpde.solve(parse({**base, **tables}), end=0.1, save=2)


def test_the_preset_waits_on_its_plateau_and_specialises() -> None:
    run = mfpde.solve("committee-erf", end=1000.0, save=(0.0, 5.0, 10.0, 20.0, 1000.0), tolerance=1e-10)
    assert (np.abs(run.risk[1:4] - 0.0165) < 0.0015).all()
    assert run.risk[-1] < 1e-9
    held = run.covariances["w1"]["w2"]
    assert np.abs(held[1:3]).max() < 2e-3
    assert held[-1] == pytest.approx(-0.25, abs=1e-8)
    np.testing.assert_allclose(run.mean[-1, :2], 0.5, atol=1e-8)


@pytest.mark.long
def test_a_law_that_is_symmetric_in_its_directions_specialises_by_their_covariance() -> None:
    """E w1 = E w2 to rounding in a law of mirrored atoms, whose covariance turns negative."""
    rng = np.random.default_rng(5)
    half = np.column_stack([rng.normal(size=(20, 2)) * 0.16, 0.45 + 0.1 * rng.random(20)])
    rows = np.vstack([half, half[:, [1, 0, 2]]])
    problem = build_problem(parse({"data": {"law": "multi-index"}, "network": {"activation": "erf"}}))
    law = OrderParameterFlow(
        problem.data.committee(problem.unit),  # type: ignore[arg-type]
        Overlaps.far(rows[:, :2], rows[:, 2], np.ones(40)),
        tolerance=1e-9,
    )
    kept: list[Any] = []
    integrate_flow(law, law.initial_state(), [10.0, 100.0], lambda index, state: kept.append(law.observe(state)))
    for seen in kept:
        assert abs(seen.mean[0] - seen.mean[1]) < 1e-9
    covariance = [float(np.cov(seen.law.points[:, :2].T, bias=True)[0, 1]) for seen in kept]
    assert covariance[1] < -0.1
    assert covariance[1] < covariance[0]
