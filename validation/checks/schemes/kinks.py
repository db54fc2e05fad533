"""Rectifiers on samples: particles that stick to kinks, beside an implicit integration of a flow without kinks.

The rectifier is rounded by a parabola on |u| < width: the flow is smooth and stiff where neurons are held, Radau's
method of order 5 follows it, and its risks at widths that halve are extrapolated to 0. Nothing of it knows of events,
multipliers or projections.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy.integrate import solve_ivp

from validation.expected.quadrature import Array
from validation.rows import CHARACTERISTICS, Row, check, within_estimate, worst
from validation.workbench import Workbench, at, configured

X = np.array([[1.0, 0.2], [-0.5, 0.8], [0.3, -1.1], [-1.0, -0.4], [0.7, 0.9]])
Y = np.array([0.5, -1.0, 0.8, 0.3, -0.6])
W1, W2, A = (-0.9, 0.4, 1.1), (-0.7, 0.6), (-1.0, 1.0)
TIMES = (0.0, 1.0, 3.0, 6.0)
WIDTHS = (4e-4, 2e-4, 1e-4)
ALLOWED = 1e-8
"""Error of R that is promised."""
RADAU = 2e-9
"""Error of the steps of Radau's method, beside that of the extrapolation, which is what the last halving changes."""


@check("kinks", (CHARACTERISTICS,), quick=())
def sliding(bench: Workbench, scheme: str) -> Iterator[Row]:
    """R of twelve neurons on five samples, with coefficients trained and fixed."""
    for trained in (False, True):
        tables = {
            "data": {"law": "dataset", "points": X.tolist(), "values": Y.tolist()},
            "network": {"activation": "relu", "coefficients": "trained" if trained else "fixed"},
            "initial": {"w1": {"values": list(W1)}, "w2": {"values": list(W2)}, "a": {"values": list(A)}},
        }
        result = bench.run(configured(tables, scheme, TIMES))
        rounded = np.array([_rounded(width, trained) for width in WIDTHS])
        lines = 2.0 * rounded[1:] - rounded[:-1]
        best = (4.0 * lines[1] - lines[0]) / 3.0
        label = f"kinks, a {'trained' if trained else 'fixed'}"
        for time, risk, other in zip(TIMES, best, lines[1], strict=True):
            doubt = abs(risk - other) + RADAU
            yield Row(f"{label} R({time:g})", scheme, risk, at(result, "risk", time), doubt, doubt + ALLOWED)
        yield worst(
            within_estimate(label, scheme, time, risk, abs(risk - other) + RADAU, result)
            for time, risk, other in zip(TIMES, best, lines[1], strict=True)
        )


def _rounded(width: float, trained: bool) -> Array:
    """R at the times with a rectifier rounded on |u| < width."""
    start = np.array(list(product(W1, W2, A)))
    count = len(start)

    def unit(u: Array) -> tuple[Array, Array]:
        inside = np.clip(0.5 * (u / width + 1.0), 0.0, 1.0)
        return np.where(u >= width, u, width * inside**2), inside

    def residual(places: Array) -> tuple[Array, Array, Array]:
        values, slopes = unit(places[:, :2] @ X.T)
        return (places[:, 2] @ values / count - Y) / len(Y), values, slopes

    def velocity(_: float, flat: Array) -> Array:
        places = flat.reshape(count, 3)
        left, values, slopes = residual(places)
        moved = -(places[:, 2:] * slopes * left) @ X
        return np.column_stack([moved, -float(trained) * values @ left]).ravel()

    span = TIMES[0], TIMES[-1]
    found = solve_ivp(velocity, span, start.ravel(), "Radau", TIMES, rtol=1e-9, atol=1e-11)
    return np.array([len(Y) * np.sum(residual(flat.reshape(count, 3))[0] ** 2) for flat in found.y.T])
