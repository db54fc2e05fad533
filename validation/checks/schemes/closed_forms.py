"""Laws that move in closed form: translation, contraction, collapse."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from validation.expected.reference import activation
from validation.rows import SCHEMES, Row, allowance, check
from validation.workbench import Workbench, at, configured, gaussian_mixture

ROUNDING = 1e-12
TIMES = (0.0, 0.5, 1.0, 2.0, 4.0)


@check("relu-translation", SCHEMES, quick=SCHEMES)
def translation(bench: Workbench, scheme: str) -> Iterator[Row]:
    """ReLU, one block: phi(R; r) = m R r with m = E (n_1)_+, so Psi is linear in r and every law is translated.

    The mean solves m' = (A - B m) / 2, A = (s_+ - s_-) / (2 pi)^(1/2), B = (s_+^2 + s_-^2) d E[(n_1)_+]^2,
    R = 1 - A m + B m^2 / 2, and the variance stands still.
    """
    d, delta, kappa = 40, 0.8, 0.8
    plus, minus = 1.0 + delta, 1.0 - delta
    half_mean = math.exp(special.gammaln(d / 2) - special.gammaln((d + 1) / 2)) / (2.0 * math.sqrt(math.pi))
    slope, curvature = (plus - minus) / math.sqrt(2.0 * math.pi), (plus**2 + minus**2) * d * half_mean**2
    start, variance = _chi_moments(d, kappa / math.sqrt(d))
    result = bench.run(configured(gaussian_mixture("relu", delta, [d], kappa), scheme, TIMES))
    for time in TIMES:
        mean = slope / curvature + (start - slope / curvature) * math.exp(-0.5 * curvature * time)
        risk = 1.0 - slope * mean + 0.5 * curvature * mean**2
        yield _row(f"relu translation R({time:g})", scheme, risk, at(result, "risk", time))
        yield _row(f"relu translation mean_r({time:g})", scheme, mean, at(result, "mean", time, 0))
    last = TIMES[-1]
    # the spread left by a grid is measured against the squared distance travelled
    allowed = allowance(scheme, (mean - start) ** 2)
    quantity = f"relu translation var_r({last:g})"
    yield Row(quantity, scheme, variance, at(result, "variance", last, 0), ROUNDING, allowed)


@check("ridge-contraction", SCHEMES, quick=SCHEMES)
def contraction(bench: Workbench, scheme: str) -> Iterator[Row]:
    """One block."""
    yield from _contraction(bench, scheme, (40,))


@check("ridge-contraction-two-blocks", SCHEMES)
def contraction_in_two_blocks(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Two blocks."""
    yield from _contraction(bench, scheme, (60, 260))


def _contraction(bench: Workbench, scheme: str, dims: tuple[int, ...]) -> Iterator[Row]:
    """Sigmoid without offset: the unit averages to 1/2 for any w, so the ridge acts alone, w(t) = w(0) exp(-lambda t).

    R = 5/4 and F = 5/4 + lambda kappa^2 exp(-2 lambda t); the means are held against kappa, the size of rho_0.
    """
    kappa, ridge = 0.8, 0.5
    label = f"ridge contraction {list(dims)}"
    tables = gaussian_mixture("sigmoid", 0.8, dims, kappa)
    result = bench.run(configured(tables, scheme, TIMES, ridge=ridge))
    for time in (TIMES[1], TIMES[-1]):
        shrunk = math.exp(-ridge * time)
        yield _row(f"{label} R({time:g})", scheme, 1.25, at(result, "risk", time))
        energy = 1.25 + ridge * (kappa * shrunk) ** 2
        yield _row(f"{label} F({time:g})", scheme, energy, at(result, "free_energy", time))
        for axis, p in enumerate(dims):
            start, _ = _chi_moments(p, kappa / math.sqrt(sum(dims)))
            found = at(result, "mean", time, axis)
            quantity = f"{label} mean_r{axis + 1}({time:g})"
            yield Row(quantity, scheme, start * shrunk, found, ROUNDING, allowance(scheme, kappa))


@check("collapse", SCHEMES, quick=SCHEMES)
def collapse(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Activation N from kappa = 0.1: all mass reaches r = 0, where sigma = -5/2 and R = (3.5^2 + 1.5^2) / 2 = 7.25."""
    tables = gaussian_mixture(activation("N"), 0.5, [320], 0.1)
    times = (0.0, 0.05, 0.3)
    result = bench.run(configured(tables, scheme, times))
    for time in times[1:]:
        yield Row(f"collapse R({time:g})", scheme, 7.25, at(result, "risk", time), 0.0, 1e-6)
        yield Row(f"collapse mean_r({time:g})", scheme, 0.0, at(result, "mean", time, 0), 0.0, 1e-6)
        yield Row(f"collapse mass({time:g})", scheme, 1.0, at(result, "mass", time), 0.0, 1e-12)


def _row(quantity: str, scheme: str, expected: float, computed: float) -> Row:
    return Row(quantity, scheme, expected, computed, ROUNDING, allowance(scheme, expected, ROUNDING))


def _chi_moments(p: int, scale: float) -> tuple[float, float]:
    """Mean and variance of scale * chi(p)."""
    mean = math.sqrt(2.0) * float(np.exp(special.gammaln((p + 1) / 2) - special.gammaln(p / 2)))
    return scale * mean, scale**2 * (p - mean**2)
