"""The limit d = infinity, where a Gaussian start is one atom: its ODE by scipy, q by quadrature or in closed form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from validation.expected.quadrature import Array, Mean, SingleAtom, piecewise_linear_mean, two_class_scales
from validation.expected.reference import activation
from validation.rows import CHARACTERISTICS, SCHEMES, Row, allowance, check, within_estimate, worst
from validation.workbench import Workbench, at, configured, gaussian_mixture

TIMES = (0.0, 0.1, 0.5, 2.0, 5.0, 10.0)
ODE_ERROR = 1e-11
FRACTIONS = (0.1875, 0.8125)
OFFSET = 0.3


@check("single-atom-M", SCHEMES, quick=(CHARACTERISTICS,))
def increasing(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Isotropic, activation M, Delta = 0.8, kappa = 0.8."""
    tables = gaussian_mixture(activation("M"), 0.8, None, 0.8)
    yield from _rows(bench, scheme, "M", tables, _piecewise("M"), 0.8, 0.8, (1.0,))


@check("single-atom-N", SCHEMES, quick=(CHARACTERISTICS,))
def non_monotone(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Two blocks, activation N, Delta = 0.5, kappa = 0.8."""
    tables = gaussian_mixture(activation("N"), 0.5, None, 0.8, FRACTIONS)
    yield from _rows(bench, scheme, "N", tables, _piecewise("N"), 0.5, 0.8, FRACTIONS)


@check("single-atom-erf", SCHEMES, quick=(CHARACTERISTICS,))
def offset_erf(bench: Workbench, scheme: str) -> Iterator[Row]:
    """erf with a fixed offset b: q(t) = erf(b / (1 + 2 t^2)^(1/2))."""
    tables = gaussian_mixture("erf", 0.8, None, 0.8, FRACTIONS)
    tables["network"]["offsets"] = "fixed"
    tables["initial"]["b"] = OFFSET
    yield from _rows(bench, scheme, "erf", tables, Mean(_erf_mean, _erf_slope), 0.8, 0.8, FRACTIONS)


def _erf_mean(t: Array) -> Array:
    return np.asarray(special.erf(OFFSET / np.sqrt(1.0 + 2.0 * t**2)))


def _erf_slope(t: Array) -> Array:
    widened = 1.0 + 2.0 * t**2
    return np.asarray(-4.0 * OFFSET * t * np.exp(-(OFFSET**2) / widened) / (np.sqrt(np.pi) * widened**1.5))


def _piecewise(letter: str) -> Mean:
    table = activation(letter)
    return piecewise_linear_mean(table["knots"], table["values"])


def _rows(
    bench: Workbench,
    scheme: str,
    label: str,
    tables: Mapping[str, Mapping[str, Any]],
    mean: Mean,
    delta: float,
    kappa: float,
    fractions: Sequence[float],
) -> Iterator[Row]:
    """R at every time and against its error estimate, and each coordinate at its worst time.

    A grid can only smear an atom: finite volumes promise the error estimate here, not an accuracy.
    """
    atom = SingleAtom(mean, two_class_scales(delta, len(fractions)))
    exact = atom.positions(kappa * np.sqrt(np.asarray(fractions)), TIMES)
    result = bench.run(configured(tables, scheme, TIMES))
    for time, position in zip(TIMES, exact, strict=True):
        risk = atom.risk(position)
        allowed = allowance(scheme, risk, ODE_ERROR) if scheme == CHARACTERISTICS else math.inf
        yield Row(f"single atom {label} R({time:g})", scheme, risk, at(result, "risk", time), ODE_ERROR, allowed)
    yield worst(
        within_estimate(f"single atom {label}", scheme, time, atom.risk(position), ODE_ERROR, result)
        for time, position in zip(TIMES, exact, strict=True)
    )
    for axis, name in enumerate(result.names):
        allowed = allowance(scheme, 1.0, ODE_ERROR) if scheme == CHARACTERISTICS else math.inf
        yield worst(
            Row(
                f"single atom {label} {name}({time:g})",
                scheme,
                float(position[axis]),
                at(result, "mean", time, axis),
                ODE_ERROR,
                allowed,
            )
            for time, position in zip(TIMES, exact, strict=True)
        )
