"""The spherical 3-spin: reference values, rotations, samples of the full dimension, flows and refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.network import activation_of
from mfpde.problem.problem import build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.harmonics.kernel import SphereKernel
from mfpde.solvers.harmonics.neurons import Neurons
from mfpde.solvers.harmonics.spins import SpinTarget
from mfpde.solvers.networks.spherical import SphericalPopulation
from mfpde.solvers.sgd.samplers import sampler_of
from mfpde.solvers.space.measure import Atoms

ENTRIES = json.loads((Path(__file__).parents[3] / "reference_teachers.json").read_text("utf-8"))["entries"]
SPIN = next(entry for entry in ENTRIES if entry["id"] == "E-static")["values"]
D = 25
SIGMOID = activation_of("sigmoid")


def neurons() -> tuple[Array, Array, Array]:
    """Those of the reference."""
    g = np.random.Generator(np.random.Philox(key=7))
    w = g.standard_normal((4, D)) / 5.0
    b = g.standard_normal(4)
    return w, g.standard_normal(4), b


def target(dim: int = D) -> SpinTarget:
    return SpinTarget(np.random.Generator(np.random.Philox(key=2026)).standard_normal((dim, dim, dim)))


def test_the_target_of_the_reference() -> None:
    f = target()
    assert f.tensor[1, 2, 3] == pytest.approx(SPIN["A_123"], abs=1e-15)
    assert f.tensor.sum() == pytest.approx(SPIN["sum_A"], abs=1e-11)
    assert f.second_moment == pytest.approx(SPIN["Ef2"], rel=1e-13)
    assert f.vector @ f.vector == pytest.approx(SPIN["f1_norm2"], rel=1e-13)
    places = np.vstack([5.0 * np.eye(D)[0], np.ones(D)])
    np.testing.assert_allclose(f.values(places), SPIN["f_at"], rtol=1e-12)
    # both harmonics at both places
    e = places / 5.0
    whole = math.sqrt(D) * (np.einsum("pqr,np,nq,nr->n", f.traceless, e, e, e) + e @ f.vector)
    np.testing.assert_allclose(whole, SPIN["f_at"], rtol=1e-12)


def test_the_static_values_of_the_reference() -> None:
    w, c, b = neurons()
    found = Neurons.of(SIGMOID, w, b)
    taught = found.taught(target())
    np.testing.assert_allclose(-c * taught.value, SPIN["V"], rtol=0.0, atol=2e-13)
    np.testing.assert_allclose((-c[:, None] * taught.by_weight)[:, :3], SPIN["gradV_a_first3"], rtol=0.0, atol=2e-13)
    np.testing.assert_allclose(-c * taught.by_offset, SPIN["gradV_b"], rtol=0.0, atol=2e-13)
    pairs = np.array([c * c[j] * found.pulled(found, np.eye(4)[j]) for j in range(4)])
    np.testing.assert_allclose(pairs, SPIN["U"], rtol=0.0, atol=2e-13)
    population = SphericalPopulation(SIGMOID, target())
    assert population.risk(w, c, b) == pytest.approx(SPIN["R"], rel=1e-13)
    gw, gc, gb = population.gradient(w, c, b, True, True)
    np.testing.assert_allclose(gw[:, :3], SPIN["gradPsi_a_first3"], rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(gb, SPIN["gradPsi_b"], rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(gc, SPIN["gradPsi_c"], rtol=0.0, atol=1e-12)


def test_the_problem_has_them_too() -> None:
    """The kernel, by which particles move, against the population of SGD."""
    made = build_problem(parse({"data": {"law": "three-spin"}, "network": {}}))
    assert made.geometry.dimension == D + 2
    w, c, b = neurons()
    points = np.column_stack([w, c, b])
    law = Atoms(points, np.full(4, 0.25))
    assert made.risk(law) == pytest.approx(SPIN["R"], rel=1e-13)
    slopes = made.psi_gradient(points, law)
    np.testing.assert_allclose(slopes[:, :3], SPIN["gradPsi_a_first3"], rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(slopes[:, -2:], np.column_stack([SPIN["gradPsi_c"], SPIN["gradPsi_b"]]), atol=1e-12)


def test_a_rotation_of_tensor_and_neurons_changes_nothing() -> None:
    """Fails where a harmonic of the tensor is taken in some coordinates only."""
    dim, rng = 6, np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    plain = target(dim)
    turned = SpinTarget(np.einsum("pi,qj,rk,ijk->pqr", turn, turn, turn, plain.tensor))
    w, c, b = rng.normal(size=(5, dim)), rng.normal(size=5), rng.normal(size=5)
    populations = [SphericalPopulation(SIGMOID, each) for each in (plain, turned)]
    assert populations[0].risk(w, c, b) == pytest.approx(populations[1].risk(w @ turn.T, c, b), rel=1e-13)
    first, second = populations[0].gradient(w, c, b, True, True), populations[1].gradient(w @ turn.T, c, b, True, True)
    np.testing.assert_allclose(first[0] @ turn.T, second[0], atol=1e-13)
    np.testing.assert_allclose(first[2], second[2], atol=1e-13)


@pytest.mark.parametrize("dim", [2, 5])
def test_risk_and_gradient_are_those_of_samples(dim: int) -> None:
    """Fails falsely once in a thousand: four standard errors of seventeen numbers."""
    rng, count = np.random.default_rng(dim), 200_000
    w, c, b = 1.5 * rng.normal(size=(3, dim)), 3.0 * rng.normal(size=3), rng.normal(size=3)
    population = SphericalPopulation(SIGMOID, target(dim))
    x, y = sampler_of(
        build_problem(parse({"data": {"law": "three-spin", "dim": dim}, "network": {}})).data.sampler()
    ).samples(  # type: ignore[union-attr]
        0, count, 5, 0
    )
    u = x @ w.T + b
    value, slope = SIGMOID.value(u), SIGMOID.slope(u)
    excess = value @ c / 3.0 - y
    gw, gc, gb = population.gradient(w, c, b, True, True)
    pairs = [(excess**2, population.risk(w, c, b))]
    pairs += [(excess * value[:, i], gc[i]) for i in range(3)] + [
        (c[i] * excess * slope[:, i], gb[i]) for i in range(3)
    ]
    pairs += [(c[i] * excess * slope[:, i] * x[:, p], gw[i, p]) for i in range(3) for p in range(dim)]
    for samples, exact in pairs:
        assert abs(float(samples.mean()) - exact) < 4.0 * float(samples.std()) / math.sqrt(count)


def test_samples_are_those_of_the_tensor() -> None:
    sampler = sampler_of(build_problem(parse({"data": {"law": "three-spin"}, "network": {}})).data.sampler())
    assert sampler is not None
    x, y = sampler.samples(0, 300, 0, 0)
    np.testing.assert_allclose((x**2).sum(axis=1), D, rtol=1e-13)
    np.testing.assert_allclose(y, np.einsum("pqr,np,nq,nr->n", target().tensor, x, x, x) / D, atol=1e-12)
    assert np.array_equal(sampler.samples(119, 41, 0, 0)[1], y[119:160])


def test_a_kernel_holds_neurons_against_others_and_the_target() -> None:
    w, c, b = neurons()
    kernel, points = SphereKernel(SIGMOID, target(), True), np.column_stack([w, b])
    rows = np.vstack([kernel.itself * np.append(-1.0, np.ones(D + 1)), np.column_stack([0.25 * c, points])])
    values, slopes = kernel.potential(points[:2], rows[:, 1:], rows[:, 0])
    np.testing.assert_allclose(values, SPIN["gradPsi_c"][:2], atol=1e-12)
    np.testing.assert_allclose(c[:2] * slopes[:, -1], SPIN["gradPsi_b"][:2], atol=1e-12)


def test_the_population_flow_lowers_the_risk_as_its_dissipation_says() -> None:
    tables = {
        "data": {"law": "three-spin", "dim": 5},
        "network": {},
        "time": {"end": 0.02, "save": [0.0, 0.01, 0.02]},
        "solver": {"scheme": "particles", "atoms": 8, "tolerance": 1e-8},
    }
    found = mfpde.solve(parse(tables))
    assert found.dissipation[1] > 0.1
    assert found.risk[0] - found.risk[2] == pytest.approx(0.02 * found.dissipation[1], rel=1e-4)
    assert set(found.figures()) == {"risk", "density", "cuts"}
    exact, network, *_ = found.figures()["cuts"]().axes[0].lines
    angles = np.asarray(exact.get_xdata(), dtype=float)
    x = np.sqrt(5.0) * np.column_stack([np.cos(angles), np.sin(angles), np.zeros((201, 3))])
    tensor = np.random.Generator(np.random.Philox(key=2026)).standard_normal((5, 5, 5))
    np.testing.assert_allclose(
        np.asarray(exact.get_ydata(), dtype=float), np.einsum("pqr,np,nq,nr->n", tensor, x, x, x) / 5.0, atol=1e-12
    )
    np.testing.assert_array_equal(np.asarray(network.get_ydata()), found.predict(x))


@pytest.mark.parametrize("scheme", ["finite-volume", "characteristics", "jko"])
def test_other_schemes_are_refused_in_words(scheme: str) -> None:
    tables = {"data": {"law": "three-spin", "dim": 3}, "network": {}, "solver": {"scheme": scheme}}
    with pytest.raises(ConfigurationError, match=r'only finitely many neurons are followed; write .*"particles"'):
        mfpde.solve(parse(tables))


def test_a_tensor_of_a_file_is_read_and_held_against_the_dimension(tmp_path: Path) -> None:
    path = tmp_path / "tensor.npy"
    np.save(path, target(4).tensor)
    made = parse({"data": {"law": "three-spin", "tensor": str(path)}, "network": {}})
    assert made.data.dimension == 4.0
    assert np.array_equal(made.data.target.tensor, target(4).tensor)  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="the tensor has d = 4"):
        parse({"data": {"law": "three-spin", "tensor": str(path), "dim": 7}, "network": {}})
    np.save(path, np.ones((3, 4, 3)))
    with pytest.raises(ConfigurationError, match=r"write \(d, d, d\)"):
        parse({"data": {"law": "three-spin", "tensor": str(path)}, "network": {}})


def test_a_quench_takes_larger_batches_from_a_step_on() -> None:
    """Steps before it are those without it, to the bit; a start at the reference's kind of network is exact."""
    base = {
        "data": {"law": "three-spin", "dim": 4},
        "network": {},
        "time": {"end": 0.2, "save": [0.0, 0.1, 0.2]},
    }
    plain, quenched = (
        mfpde.sgd(parse({**base, "sgd": {"neurons": 6, "step_size": 0.002, "batch": batch}}))
        for batch in (1, {"steps": [0, 50], "sizes": [1, 16]})
    )
    assert np.array_equal(plain.risk[0, :2], quenched.risk[0, :2])
    assert plain.risk[0, 2] != quenched.risk[0, 2]
