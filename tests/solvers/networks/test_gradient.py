"""Exact moments of Gaussian pairs, population risk and its gradient, against quadrature, samples and differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest
from scipy import integrate, special

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.gradient import GaussianPopulation, Pairs
from mfpde.solvers.sgd.engine import GaussianClasses

LINEAR = {
    "truncated-relu": PiecewiseLinear((0.0, 1.0), (1.0, -1.0)),
    "relu": PiecewiseLinear((0.0,), (1.0,)),
    "non-monotone": PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5])),
    "three kinks on a slope": PiecewiseLinear((-0.3, 0.2, 1.0), (1.0, -2.0, 0.5), 0.3, 0.7),
}
SMOOTH: dict[str, Activation] = {"sigmoid": Sigmoid(), "tanh": Tanh(), "erf": Erf()}
CORRELATIONS = (-1.0, -1.0 + 1e-10, -0.9999, -0.8, -0.7, -0.2, 0.0, 0.4, 0.7, 0.7001, 0.95, 1.0 - 1e-7, 1.0)
# deviations and offsets of u and v; in the second both knots lie at the same place, in the third and fourth at 0
PAIRS = (((1.3, 0.2), (0.7, -0.4)), ((0.9, 0.0), (0.9, 0.0)), ((2.0, 0.5), (1.0, 0.5)), ((0.3, 0.0), (2.5, 0.0)))
ORDERS = ((0, 0), (1, 0), (1, 1), (2, 0))


def moment(unit: Activation, p: int, q: int, u: tuple[float, float], v: tuple[float, float], rho: float) -> float:
    """E[sigma^(p) sigma^(q)] as the gradient takes it: entry (0, 1) of the pairs of two neurons."""
    across = math.sqrt(max(1.0 - rho * rho, 0.0))
    weights = np.array([[u[0], 0.0], [v[0] * rho, v[0] * across]])
    return float(Pairs.of(unit, weights, np.array([u[1], v[1]])).moments(p, q)[0, 1])


def smoothed(unit: PiecewiseLinear, order: int, mean: float, spread: float) -> float:
    """E sigma^(order)(N(mean, spread^2)) of a piecewise linear sigma, orders 0, 1 and 2."""
    total = (unit.left + unit.first_slope * mean, unit.first_slope, 0.0)[order]
    for knot, kink in zip(unit.knots, unit.kinks, strict=True):
        above = mean - knot
        if spread == 0.0:
            total += kink * (max(above, 0.0), float(above > 0.0))[order]
            continue
        z = max(-40.0, min(40.0, above / spread))
        density, tail = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi), special.ndtr(z)
        total += kink * (above * tail + spread * density, tail, density / spread)[order]
    return float(total)


def linear_reference(
    unit: PiecewiseLinear, p: int, q: int, u: tuple[float, float], v: tuple[float, float], rho: float
) -> float:
    """The same by adaptive quadrature over v, the conditional expectation over u inside."""
    (tau_u, b_u), (tau_v, b_v) = u, v
    across = math.sqrt(max(1.0 - rho * rho, 0.0))

    def integrand(y: float) -> float:
        outer = smoothed(unit, q, b_v + tau_v * y, 0.0)
        return outer * smoothed(unit, p, b_u + tau_u * rho * y, tau_u * across) * math.exp(-0.5 * y * y)

    if p == 2 and across < 1e-3:  # a density too narrow to be integrated: over u instead
        places = [(knot - b_u) / tau_u for knot in unit.knots]
        inner = [smoothed(unit, q, b_v + tau_v * rho * z, tau_v * across) for z in places]
        terms = zip(unit.kinks, places, inner, strict=True)
        return float(sum(k / tau_u * math.exp(-0.5 * z * z) * m for k, z, m in terms)) / math.sqrt(2.0 * math.pi)
    cuts = [(knot - b_v) / tau_v for knot in unit.knots]
    if rho != 0.0:
        layers = [-8.0, -3.0, 0.0, 3.0, 8.0]
        cuts += [((knot - b_u) / tau_u + k * across) / rho for knot in unit.knots for k in layers]
    inside = sorted({cut for cut in cuts if abs(cut) < 11.9})
    ends = [-12.0, *inside, 12.0]
    parts = [integrate.quad(integrand, *pair, epsabs=1e-13, epsrel=1e-12, limit=200)[0] for pair in pairwise(ends)]
    return float(sum(parts)) / math.sqrt(2.0 * math.pi)


@pytest.mark.parametrize("name", LINEAR)
def test_moments_of_piecewise_linear_units(name: str) -> None:
    unit = LINEAR[name]
    for (p, q), (u, v), rho in product(ORDERS, PAIRS, CORRELATIONS):
        expected = linear_reference(unit, p, q, u, v, rho)
        assert moment(unit, p, q, u, v, rho) == pytest.approx(expected, abs=1e-10 * (1.0 + abs(expected))), (
            p,
            q,
            u,
            rho,
        )


DERIVATIVES: dict[str, tuple[Callable[[Array], Array], ...]] = {
    "sigmoid": (
        special.expit,
        lambda u: special.expit(u) * special.expit(-u),
        lambda u: special.expit(u) * special.expit(-u) * (special.expit(-u) - special.expit(u)),
    ),
    "tanh": (np.tanh, lambda u: np.cosh(u) ** -2.0, lambda u: -2.0 * np.tanh(u) * np.cosh(u) ** -2.0),
    "erf": (
        special.erf,
        lambda u: 2.0 / math.sqrt(math.pi) * np.exp(-(u**2)),
        lambda u: -4.0 * u / math.sqrt(math.pi) * np.exp(-(u**2)),
    ),
}


def smooth_reference(name: str, p: int, q: int, u: tuple[float, float], v: tuple[float, float], rho: float) -> float:
    """The same by the trapezoidal rule in the plane, which converges exponentially."""
    x = np.linspace(-9.0, 9.0, 401)
    weights = np.exp(-0.5 * x * x) / np.exp(-0.5 * x * x).sum()
    across = math.sqrt(max(1.0 - rho * rho, 0.0))
    left = DERIVATIVES[name][p](u[0] * x + u[1])
    right = DERIVATIVES[name][q](v[0] * (rho * x[:, None] + across * x) + v[1]) @ weights
    return float(weights @ (left * right))


@pytest.mark.parametrize("name", SMOOTH)
def test_moments_of_smooth_units(name: str) -> None:
    steep = ((3.0, 0.2), (4.0, -0.3))
    for (p, q), (u, v), rho in product(ORDERS, (*PAIRS[::3], steep), CORRELATIONS[::2]):
        expected = smooth_reference(name, p, q, u, v, rho)
        assert moment(SMOOTH[name], p, q, u, v, rho) == pytest.approx(expected, abs=1e-10), (p, q, u, v, rho)


@pytest.mark.parametrize("tiny", [1e-3, 1e-5, 1e-8, 1e-100, 0.0])
@pytest.mark.parametrize("name", [*LINEAR, *SMOOTH])
def test_tiny_weights_leave_a_constant_unit(name: str, tiny: float) -> None:
    """u = b up to O(tau), away from every knot: E sigma(u) sigma^(q)(v) = sigma(b) E sigma^(q)(v) + O(tau)."""
    unit = LINEAR.get(name) or SMOOTH[name]
    offset, v = 0.3, (0.7, -0.4)
    value = float(unit(np.array([offset]))[0])
    for q, rho in product((0, 1), (-1.0, 0.3, 0.9)):
        mean = _mean(unit, q, v)
        assert moment(unit, 0, q, (tiny, offset), v, rho) == pytest.approx(value * mean, abs=1e-13 + 2.0 * tiny)


def _mean(unit: Activation, order: int, v: tuple[float, float]) -> float:
    if unit.linear is not None:
        return smoothed(unit.linear, order, v[1], v[0])
    x = np.linspace(-10.0, 10.0, 801)
    weights = np.exp(-0.5 * x * x) / np.exp(-0.5 * x * x).sum()
    return float(weights @ DERIVATIVES[unit.name][order](v[0] * x + v[1]))


def numerical_gradient(risk: Callable[[Array], float], at: Array, index: tuple[int, ...], neurons: int) -> float:
    """(N/2) dR_N/dtheta by a central difference of order 4."""
    total = 0.0
    for steps, factor in ((1.0, 8.0), (2.0, -1.0)):
        ahead, behind = at.copy(), at.copy()
        ahead[index] += steps * 1e-3
        behind[index] -= steps * 1e-3
        total += factor * (risk(ahead) - risk(behind))
    return 0.5 * neurons * total / 12e-3


@pytest.mark.parametrize("dimensions", [(1, 2), (6, 20)])
@pytest.mark.parametrize("name", ["non-monotone", *SMOOTH])
def test_gradient_is_that_of_the_risk(name: str, dimensions: tuple[int, ...]) -> None:
    """Error of the differences: 1e-12 f^(5) / 30 and rounding 1e-13 N / 1e-3, both below 1e-9."""
    random, neurons = np.random.default_rng(3), 6
    data = GaussianClasses(dimensions, ((1.8, 0.2), (1.0, 1.1)))
    population = GaussianPopulation(data, LINEAR.get(name) or SMOOTH[name])
    w = random.standard_normal((neurons, data.dimension)) / math.sqrt(data.dimension)
    a, b = random.standard_normal(neurons), 0.3 * random.standard_normal(neurons)
    gradients = population.gradient(w, a, b, True, True)
    risks = (lambda x: population.risk(x, a, b), lambda x: population.risk(w, x, b), lambda x: population.risk(w, a, x))
    for at, found, risk in zip((w, a, b), gradients, risks, strict=True):
        for _ in range(4):
            index = tuple(int(random.integers(size)) for size in at.shape)
            assert found[index] == pytest.approx(numerical_gradient(risk, at, index, neurons), abs=2e-8), index
    assert not any(part.any() for part in population.gradient(w, a, b)[1:])


@pytest.mark.parametrize("name", [*LINEAR, *SMOOTH])
def test_risk_and_gradient_against_samples(name: str) -> None:
    """Within 5 standard errors each: by chance alone one of these 7 x 5 checks fails once in 50 000 seeds."""
    random, samples, neurons = np.random.default_rng(11), 200_000, 8
    data = GaussianClasses((1, 3), ((1.8, 0.2), (1.0, 1.3)))
    unit = LINEAR.get(name) or SMOOTH[name]
    w, a = random.standard_normal((neurons, 4)), 1.0 + random.standard_normal(neurons)
    b = 0.3 * random.standard_normal(neurons)
    y = random.choice([1.0, -1.0], samples)
    x = random.standard_normal((samples, 4)) * np.where(y[:, None] > 0, *data.coordinate_scales[:, None, :])
    value, slope = unit.value(x @ w.T + b), unit.slope(x @ w.T + b)
    residual = y - value @ a / neurons
    population = GaussianPopulation(data, unit)
    gw, ga, gb = population.gradient(w, a, b, True, True)
    pulls = -residual * a[0] * slope[:, 0]
    checks = [(population.risk(w, a, b), residual**2), (gw[0, 0], pulls * x[:, 0]), (gw[0, 3], pulls * x[:, 3])]
    checks += [(ga[0], -residual * value[:, 0]), (gb[0], pulls)]
    for exact, drawn in checks:
        assert abs(exact - drawn.mean()) < 5.0 * drawn.std() / math.sqrt(samples)


def test_neurons_that_are_equal_opposite_or_at_the_origin() -> None:
    """At w = 0 on the kink the slope counts 1/2: the gradient is E[x (f - y)] / 2 = sum_j E[x sigma(u_j)] / 2N."""
    data = GaussianClasses((3,), ((1.8, 0.2),))
    unit = LINEAR["truncated-relu"]
    w = np.array([[0.3, 0.1, -0.2], [0.3, 0.1, -0.2], [-0.3, -0.1, 0.2], [0.0, 0.0, 0.0]])
    gradient = GaussianPopulation(data, unit).gradient(w, np.ones(4), np.zeros(4))[0]
    np.testing.assert_allclose(gradient[0], gradient[1], rtol=1e-13)
    length = float(np.linalg.norm(w[0]))
    # Stein: E[x sigma(u)] = s^2 w E sigma'(u); the opposite neuron cancels one of the two equal ones
    pulled = sum(0.5 * s * s * _mean(unit, 1, (s * length, 0.0)) for s in (1.8, 0.2))
    np.testing.assert_allclose(gradient[3], pulled * w[0] / 8.0, rtol=1e-12)
