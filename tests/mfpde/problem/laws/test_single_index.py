"""Single-index targets: features against closed kernels, trajectories against independent values, SGD beside them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.landscape import landscape_on
from mfpde.problem.problem import Problem, build_problem
from mfpde.problem.targets import moments
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.box import Box
from mfpde.solvers.stationary.stability import stability

REFERENCE = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[3] / "reference_teachers.json").read_text("utf-8"))["entries"]
}
NAMES = {"trelu": "truncated-relu", "he2": {"hermite": [0.0, 0.0, 1.0]}, "he3": {"hermite": [0.0, 0.0, 0.0, 1.0]}}
NAMES |= {"sum": {"hermite": [0.0, 1.0, 1.0]}}


def problem(dim: int | str, target: object, activation: str, heads: bool = False, **data: object) -> Problem:
    network = {"activation": activation, **({"coefficients": "trained", "offsets": "trained"} if heads else {})}
    return build_problem(
        parse({"data": {"law": "single-index", "dim": dim, "target": target, **data}, "network": network})
    )


def kernels(made: Problem, points: Array, others: Array) -> tuple[Array, Array, Array, Array]:
    """V and U of pairs of neurons, and their gradients in the first one."""
    objective = made.objective_about(points, others, accuracy=1e-12)
    loss, zero = objective.loss, np.zeros(objective.features.rank)
    values = objective.features.values(points)
    along = [objective.features.contract(points[i : i + 1], loss.gradient(zero))[1][0] for i in range(len(points))]
    second = objective.features.values(others)
    mixed = [
        objective.features.contract(points[i : i + 1], loss.gradient(second[i]) - loss.gradient(zero))[1][0]
        for i in range(len(points))
    ]
    first = values @ loss.gradient(zero)
    pairs = [float(values[i] @ (loss.gradient(second[i]) - loss.gradient(zero))) for i in range(len(points))]
    return first, np.array(pairs), np.array(along), np.array(mixed)


@pytest.mark.parametrize("place", range(len(REFERENCE["B-points"]["points"])))
def test_kernels_of_the_reference(place: int) -> None:
    point = REFERENCE["B-points"]["points"][place]
    activation, target = (NAMES.get(point[key], point[key]) for key in ("activation", "target"))
    made = problem(point["d"] or "infinite", target, str(activation), heads=True)
    allowed = 1e-11 + 3.0 * point["error"]
    found = kernels(made, np.array([point["z"]]), np.array([point["zp"]]))
    # of a series that is cut off, slopes converge more slowly than values
    for value, key, times in zip(found, ("V", "U", "gradV", "grad1U"), (1.0, 1.0, 30.0, 30.0), strict=True):
        np.testing.assert_allclose(value[0], point[key], rtol=0.0, atol=times * allowed, err_msg=key)


def arcs(v: float, other: float, inner: Array) -> Array:
    """E erf(<w, x>) erf(<w', x>) of squares v, v' and inner products."""
    return np.asarray(2.0 / np.pi * np.arcsin(2.0 * inner / np.sqrt((1.0 + 2.0 * v) * (1.0 + 2.0 * other))))


@pytest.mark.parametrize("dim", [1, 2, 3, 10, 40])
def test_without_offset_the_closed_kernels_of_erf(dim: int) -> None:
    """V = -kappa(t^2, 1, m), and U the mean of kappa over the correlation n of the components across u."""
    made = problem(dim, "erf", "erf")
    rng = np.random.default_rng(dim)
    points, others = (np.abs(rng.normal(size=(5, min(dim, 2)))) * [1.0, 0.6][: min(dim, 2)] for _ in range(2))
    first, pairs, _, _ = kernels(made, points, others)
    squares, products = (points**2).sum(axis=1), points[:, 0] * others[:, 0]
    np.testing.assert_allclose(
        first, [-arcs(v, 1.0, np.array(m)) for v, m in zip(squares, points[:, 0], strict=True)], atol=1e-12
    )
    for i, square in enumerate((others**2).sum(axis=1)):

        def at(n: Array, i: int = i, square: float = square) -> Array:
            across = points[i, 1] * others[i, 1] * n if dim > 1 else 0.0 * n
            return arcs(squares[i], square, products[i] + across)

        if dim <= 2:
            expected = 0.5 * float(at(np.ones(1))[0] + at(-np.ones(1))[0])
        else:
            # n = cos(angle) on S^(d - 2) has the density sin^(d - 3)
            share = integrate.quad(lambda x: np.sin(x) ** (dim - 3), 0.0, np.pi)[0]
            expected = integrate.quad(lambda x: at(np.cos(x)) * np.sin(x) ** (dim - 3), 0.0, np.pi)[0] / share
        assert abs(pairs[i] - expected) < 1e-11


@pytest.mark.parametrize(("activation", "target"), [("tanh", "sign"), ("relu", {"hermite": [0.1, 0.5, 1.0]})])
def test_gradients_are_differences_of_values(activation: str, target: object) -> None:
    made = problem(12, target, activation, heads=True)
    points = np.random.default_rng(1).uniform([-1.0, 0.2, -1.0, -0.5], [1.0, 1.0, 1.0, 0.5], (6, 4))
    law = mfpde.Atoms(points[:3], np.array([0.5, 0.2, 0.3]))
    objective = made.objective_about(points, points + 0.01, points - 0.01, accuracy=1e-10)
    coefficients = objective.loss.gradient(law.outputs(objective.features))
    slopes = objective.features.contract(points, coefficients)[1]
    for axis in range(4):
        step = 1e-5 * np.eye(4)[axis]
        ahead, behind = (objective.features.contract(points + sign * step, coefficients)[0] for sign in (1.0, -1.0))
        np.testing.assert_allclose(slopes[:, axis], (ahead - behind) / 2e-5, atol=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 12])
@pytest.mark.parametrize("name", ["erf", "relu"])
def test_closed_pairs_hold_in_any_dimension_and_next_to_the_teacher(name: str, dim: int) -> None:
    """V = -kappa(t^2, 1, m) and U = E_n kappa to rounding, for neurons whose part across the teacher is small too."""
    made = problem(dim, name, name)
    points, others = np.array([[1.04, 3e-3], [0.0, 0.7], [0.8, 0.0]]), np.array([[0.55, 1.2], [-0.4, 2e-3], [1.0, 0.5]])

    def pairs(square: float, other: float, inner: float) -> float:
        if name == "erf":
            return float(arcs(square, other, np.array(inner)))
        sine = math.sqrt(max(square * other - inner**2, 0.0))
        return (sine + inner * (math.pi - math.atan2(sine, inner))) / (2.0 * math.pi)

    first, found, _, _ = kernels(made, points, others)
    for i, ((m, s), (other, across)) in enumerate(zip(points.tolist(), others.tolist(), strict=True)):
        sizes = m * m + s * s, other * other + across * across
        assert first[i] == pytest.approx(-pairs(sizes[0], 1.0, m), abs=1e-14)

        def at(n: float, m: float = m, other: float = other, s: float = s, z: float = across, t: Any = sizes) -> float:
            return pairs(t[0], t[1], m * other + s * z * n)

        if dim == 2:
            expected = 0.5 * (at(1.0) + at(-1.0))
        else:
            share = integrate.quad(lambda x: math.sin(x) ** (dim - 3), 0.0, math.pi)[0]
            options = {"epsabs": 1e-15, "epsrel": 1e-13, "limit": 200}
            whole = integrate.quad(lambda x, at=at: at(math.cos(x)) * math.sin(x) ** (dim - 3), 0.0, math.pi, **options)
            expected = whole[0] / share
        assert found[i] == pytest.approx(expected, abs=2e-12)


def test_values_in_full_dimension() -> None:
    """V and U of two neurons against draws of x and of the directions across u, within 5 standard errors."""
    made = problem(6, "sign", "tanh", heads=True)
    points = np.array([[0.5, 0.8, 1.2, 0.3], [-0.4, 0.6, -0.7, -0.2]])
    # what is drawn is known to 1e-3: features of less effort do, those of the reference are exact
    objective = made.represent("guide", Box(points.min(axis=0) - 0.05, points.max(axis=0) + 0.05), 1e-6).objective
    values = objective.features.values(points)
    first, pair = values @ objective.loss.gradient(np.zeros(values.shape[1])), values[0] @ values[1]
    rng, count = np.random.default_rng(0), 400_000
    x, outputs = rng.standard_normal((count, 6)), []
    for m, s, a, b in points:
        across = rng.standard_normal((count, 5))
        across *= s / np.linalg.norm(across, axis=1)[:, None]
        outputs.append(a * np.tanh(m * x[:, 0] + np.einsum("ni,ni->n", across, x[:, 1:]) + b))
    for sampled, exact in ((-np.sign(x[:, 0]) * outputs[0], first[0]), (outputs[0] * outputs[1], pair)):
        assert abs(sampled.mean() - exact) < 5.0 * sampled.std() / np.sqrt(count)


@pytest.mark.long
def test_the_trajectory_of_erf_on_erf() -> None:
    rows = [row for row in REFERENCE["B1"]["rows"] if row["t"] <= 10.0]
    experiment = parse({"data": {"law": "single-index", "dim": 40, "target": "erf"}, "network": {"activation": "erf"}})
    times = tuple(row["t"] for row in rows)
    run = mfpde.solve(experiment, end=times[-1], save=times, scheme="characteristics")
    for i, row in enumerate(rows):
        found = {"R": run.risk[i], "mean w_par": run.mean[i, 0], "mean w_perp_norm": run.mean[i, 1]}
        found |= {"var w_par": run.variance[i, 0], "var w_perp_norm": run.variance[i, 1]}
        for key, value in found.items():
            assert abs(value - row[key][0]) <= max(1e-6, 3.0 * row[key][1]), (row["t"], key)
        assert abs(run.risk[i] - row["R"][0]) <= 3.0 * run.risk_error[i] + row["R"][1]


def test_the_limit_of_infinite_dimension_is_one_atom() -> None:
    rows = REFERENCE["Binf-erf"]["rows"]
    data = {"law": "single-index", "dim": "infinite", "target": "erf"}
    times = tuple(row["t"] for row in rows)
    experiment = parse({"data": data, "network": {"activation": "erf"}})
    run = mfpde.solve(experiment, end=times[-1], save=times, scheme="characteristics", tolerance=1e-8)
    for i, row in enumerate(rows):
        assert abs(run.risk[i] - row["R"][0]) < 1e-7
        np.testing.assert_allclose(run.mean[i], [row["w_par"][0], row["s"][0]], atol=1e-6)
    # all laws on m = sqrt(1 + 2 s^2) are optimal there
    assert run.mean[-1, 0] == pytest.approx(np.sqrt(1.0 + 2.0 * run.mean[-1, 1] ** 2), abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["characteristics", "particles"])
def test_what_never_moves_along_the_target_does_not_by_rounding(scheme: str) -> None:
    """With coefficients of both signs w_par = 0 is unstable: R fell to .56 by t = 500."""
    data = {"law": "single-index", "dim": "infinite", "target": {"hermite": [0.0, 0.0, 1.0]}}
    network = {"activation": "erf", "coefficients": "trained", "offsets": "trained"}
    made = parse({"data": data, "network": network, "initial": {"a": {"values": [-1.0, 1.0]}, "b": 0.3}})
    run = mfpde.solve(made, end=500.0, save=3, scheme=scheme, tolerance=1e-4)
    assert np.all(run.mean[:, 0] == 0.0)
    assert np.all(run.variance[:, 0] == 0.0)
    assert np.all(run.risk >= 1.0 - run.risk_error)


def test_a_start_that_never_moves_along_the_target_says_so() -> None:
    data: dict[str, Any] = {"law": "single-index", "dim": "infinite", "target": {"hermite": [0.0, 0.0, 1.0]}}
    tables = {"data": data, "network": {"activation": "relu"}, "initial": {"kappa": 0.8}}
    run = mfpde.solve(parse(tables), end=1.0, save=2, scheme="characteristics")
    assert run.attributes["invariant_start"] == 1
    assert run.attributes["information_exponent"] == 2
    assert "w_par = 0 is invariant" in str(run.attributes["notes"])
    assert "in a time of order log d" in str(run.attributes["notes"])
    assert abs(run.mean[-1, 0]) < 1e-15
    # Var y is what a function of nothing leaves
    assert run.risk[-1] >= 1.0
    for changed in ({"data": {**data, "target": "relu"}}, {"initial": {"kappa": 0.8, "w_par": 0.1}}):
        moving = mfpde.solve(parse({**tables, **changed}), end=0.1, save=2, scheme="characteristics")
        assert "invariant_start" not in moving.attributes
        assert moving.mean[-1, 0] > 0.0


@pytest.mark.parametrize(
    ("target", "network", "shared"),
    [
        ({"hermite": [0.0, 0.0, 0.0, 1.0]}, {"activation": "relu"}, None),
        ({"hermite": [0.0, 0.0, 0.0, 1.0]}, {"activation": "erf"}, 3),
        ({"hermite": [0.0, 0.0, 0.0, 1.0, 1.0]}, {"activation": "relu"}, 4),
        ({"hermite": [0.0, 0.0, 1.0]}, {"activation": "tanh"}, None),
        ({"hermite": [0.0, 0.0, 0.0, 1.0]}, {"activation": "relu", "offsets": "trained"}, 3),
        ("relu", {"activation": "erf"}, 1),
        ({"hermite": [0.0, 0.0, 1.0, 1.0]}, {"activation": "erf"}, 3),
    ],
)
def test_the_information_exponent_is_that_of_target_and_unit(target: Any, network: Any, shared: int | None) -> None:
    """Odd units see no even degree, and rectifiers without offset no odd one above 1: the next in common counts."""
    made = parse({"data": {"law": "single-index", "dim": "infinite", "target": target}, "network": network})
    remarks = made.data.remarks(build_problem(made).unit, made.initial)
    assert remarks.get("information_exponent", 1 if shared == 1 else None) == shared
    assert ("invariant_start" in remarks) == (shared != 1)
    if shared is None:
        assert "not learned at any d" in str(remarks["note"])
    elif shared > 2:
        assert f"of order d^{(shared - 2) / 2:g}" in str(remarks["note"])


def test_the_risk_of_nothing_is_the_second_moment_of_the_target() -> None:
    """Units that are 0 and see nothing of g: R = E g^2 + noise^2; E erf(u)^2 = (2/pi) arcsin(2/3), E (u)_+^2 = 1/2."""
    zero = {"knots": [-1.0, 1.0], "values": [0.0, 0.0]}
    law = mfpde.Atoms(np.array([[0.3, 0.4]]), np.ones(1))
    cases: list[tuple[Any, float]] = [("erf", 2.0 / np.pi * np.arcsin(2.0 / 3.0)), ("relu", 0.5), ("sign", 1.0)]
    cases += [({"hermite": [0.5, 0.0, 2.0]}, 4.25), ({"hermite": [0.0] * 19 + [1.0]}, 1.0)]
    cases += [({"hermite": [0.0, 1.0, *[0.0] * 9, 2.0]}, 5.0)]
    for noise in (0.0, 0.3):
        for target, expected in cases:
            made = problem(7, target, zero, noise=noise)  # type: ignore[arg-type]
            assert made.risk(law) == pytest.approx(expected + noise**2, abs=1e-12)


@pytest.mark.parametrize("dim", [10, "infinite"])
def test_an_even_target_keeps_the_mirror_symmetry(dim: int | str) -> None:
    """Psi of a law that is symmetric in m is even in m, and its slope odd."""
    made = problem(dim, {"hermite": [0.0, 0.0, 1.0]}, "relu")
    law = mfpde.Atoms(np.array([[0.3, 0.4], [-0.3, 0.4], [0.0, 0.9]]), np.array([0.3, 0.3, 0.4]))
    points = np.array([[0.7, 0.5], [1.5, 0.2], [0.1, 1.0]])
    mirrored = points * [-1.0, 1.0]
    np.testing.assert_allclose(made.psi(points, law), made.psi(mirrored, law), atol=1e-9)
    slopes = made.psi_gradient(points, law), made.psi_gradient(mirrored, law)
    np.testing.assert_allclose(slopes[0], slopes[1] * [-1.0, 1.0], atol=1e-8)


def test_an_odd_target_with_signs_keeps_the_mirror_symmetry() -> None:
    """g odd: (m, a) -> (-m, -a) leaves Psi of a law that is symmetric so as it is."""
    network = {"activation": "relu", "coefficients": "trained"}
    made = build_problem(parse({"data": {"law": "single-index", "dim": 10, "target": "sign"}, "network": network}))
    points = np.array([[0.7, 0.5, 1.2], [-0.4, 0.2, 0.6]])
    mirrored = points * [-1.0, 1.0, -1.0]
    law = mfpde.Atoms(np.vstack([points, mirrored]), np.array([0.3, 0.2, 0.3, 0.2]))
    np.testing.assert_allclose(made.psi(points, law), made.psi(mirrored, law), atol=1e-9)
    slopes = made.psi_gradient(points, law), made.psi_gradient(mirrored, law)
    np.testing.assert_allclose(slopes[0], slopes[1] * [-1.0, 1.0, -1.0], atol=1e-8)


def test_the_cone_of_rectifiers_at_w_0_has_one_sided_slopes() -> None:
    """V = -kappa(t^2, 1, m) is homogeneous of degree 1: its slopes at (m, s) = t e are those at e, also as t -> 0."""
    made = problem(7, "relu", "relu")
    nothing = mfpde.Atoms(np.array([[0.0, 0.0]]), np.ones(1))
    directions = np.array([[1.0, 0.0], [0.6, 0.8], [-0.6, 0.8]])
    far, near = (made.psi_gradient(scale * directions, nothing) for scale in (1.0, 1e-7))
    np.testing.assert_allclose(near, far, atol=1e-9)
    angles = np.arccos(directions[:, 0])
    exact = np.column_stack([np.pi - angles + np.sin(angles) * np.cos(angles), np.sin(angles) ** 2]) / -(2.0 * np.pi)
    np.testing.assert_allclose(far, exact, atol=1e-9)
    # at w = 0 itself along s: the side inside
    assert made.psi_gradient(np.zeros((1, 2)), nothing)[0, 1] == pytest.approx(-1.0 / (2.0 * np.pi), abs=1e-7)


@pytest.mark.parametrize("dim", [40, "infinite"])
def test_the_teacher_itself_is_optimal_and_in_the_limit_one_of_a_curve(dim: int | str) -> None:
    """erf on erf: R = 0 at (1, 0); E_G erf(m v + s G) = erf(m v / sqrt(1 + 2 s^2)) makes it a curve at d = infinity."""
    made = problem(dim, "erf", "erf", noise=0.1)
    for s in (0.0, 0.7, 1.5) if dim == "infinite" else (0.0,):
        atom = mfpde.Atoms(np.array([[np.sqrt(1.0 + 2.0 * s * s), s]]), np.ones(1))
        assert made.risk(atom) == pytest.approx(0.01, abs=1e-10)
        places = np.array([[0.2, 0.9], [-1.0, 0.3]])
        np.testing.assert_allclose(made.psi(places, atom), 0.0, atol=1e-9)
    away = mfpde.Atoms(np.array([[np.sqrt(1.0 + 2.0 * 0.7**2), 0.6]]), np.ones(1))
    assert made.risk(away) > 0.0105


def test_noise_of_the_labels_widens_the_weights_across() -> None:
    """From w = 0 while f is small: d E s^2 / dt = eps (d - 1) (4 / pi) E y^2, which 2000 steps know to 4 %."""
    data = {"law": "single-index", "dim": 320, "target": "erf", "noise": 1.0}
    tables = {"data": data, "network": {"activation": "erf"}, "initial": {"kappa": 1e-6}}
    eps, end = 1e-6, 2e-3
    run = mfpde.sgd(parse(tables), neurons=2, step_size=eps, replicas=1, seed=1, workers=1, end=end, save=2)
    expected = end * eps * 319.0 * 4.0 / np.pi * (1.0 + 2.0 / np.pi * np.arcsin(2.0 / 3.0))
    found = run.mean[0, -1, 1] ** 2 + run.variance[0, -1, 1]
    assert found == pytest.approx(expected, rel=0.16)


@pytest.mark.long
def test_grids_and_atoms_agree_and_sgd_follows() -> None:
    data = {"law": "single-index", "dim": 10, "target": "erf"}
    experiment = parse({"data": data, "network": {"activation": "erf"}, "initial": {"kappa": 1.0}})
    options: dict[str, Any] = {"end": 0.5, "save": 2}
    runs = [mfpde.solve(experiment, scheme="characteristics", **options)]
    runs += [mfpde.solve(experiment, scheme="finite-volume", cells=32, **options)]
    for run in runs[1:]:
        assert (np.abs(run.risk - runs[0].risk) <= 3.0 * (run.risk_error + runs[0].risk_error)).all(), run.scheme
    replicas = mfpde.sgd(experiment, neurons=400, step_size=1e-3, replicas=4, seed=3, workers=1, **options)
    spread = (
        replicas.risk.std(axis=0, ddof=1) / 2.0
        + replicas.risk_error.max(axis=0)
        + 12.0 / 400.0 * replicas.risk.mean(axis=0)
    )
    assert (np.abs(replicas.risk.mean(axis=0) - runs[0].risk) <= 4.0 * spread).all()


def test_no_drift_grows_at_a_rectifier_that_is_the_teacher() -> None:
    """G = 0 with R; along u the drift decays like exp(-t/2), and |w_perp|^3 gives none across."""
    landscape, _ = landscape_on(made := problem(40, "relu", "relu"), made.geometry.box(2.0))
    modes = stability(landscape, mfpde.Atoms(np.array([[1.0, 0.0]]), np.ones(1)))
    np.testing.assert_allclose([mode.eigenvalue for mode in modes.drift], [0.0, 0.5], atol=1e-10)
    np.testing.assert_allclose([mode.eigenvalue for mode in modes.splitting], 0.0, atol=1e-10)


@pytest.mark.parametrize("values", [[2.0, 2.0], [0.0, 0.0]])
def test_a_constant_target_is_refused(values: list[float]) -> None:
    with pytest.raises(ConfigurationError, match=r"data\.target = .*: it is constant: nothing to learn; write"):
        parse({"data": {"law": "single-index", "target": {"knots": [0.0, 1.0], "values": values}}, "network": {}})


def test_a_target_without_second_moment_is_seen() -> None:
    """exp(u^2/4) has an infinite one, exp(u^2/8) has 2^(1/2)."""
    from mfpde.solvers.activations.sampled import Sampled

    def exponential(rate: float) -> Sampled:
        return Sampled(lambda u: np.exp(rate * u * u), lambda u: 2.0 * rate * u * np.exp(rate * u * u), "exponential")

    assert moments(exponential(0.25))[1] == math.inf
    assert moments(exponential(0.125))[1] == pytest.approx(math.sqrt(2.0), rel=1e-12)


def test_every_mistake_is_named_at_once() -> None:
    data = {"law": "single-index", "dim": 0, "target": {"hermite": [1.0, 0.0]}, "noise": -1.0}
    with pytest.raises(ConfigurationError) as caught:
        parse({"data": data, "network": {}, "initial": {"w_par": {"normal": [0.0, -1.0]}}})
    text = str(caught.value)
    assert len(caught.value.messages) == 4
    for key in ("data.dim", "data.target.hermite", "data.noise", "initial.w_par.normal"):
        assert key in text
    with pytest.raises(ConfigurationError, match=r'noise is undefined at data\.dim = "infinite"'):
        parse(
            {
                "data": {"law": "single-index", "dim": "infinite"},
                "dynamics": {"inverse_temperature": 10.0, "ridge": 0.1},
            }
        )
