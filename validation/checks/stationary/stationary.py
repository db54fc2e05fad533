"""One-atom stationary laws: position, risk and Hessian blocks of the reference, and the threshold at d = infinity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import optimize

from mfpde.configuration.parsing import parse
from mfpde.results.answers.stationary import StationaryPoint
from mfpde.studies.stationary.stationary import stationary
from validation.expected.quadrature import Array, piecewise_linear_mean
from validation.expected.reference import activation, reference
from validation.rows import Row, check
from validation.workbench import Workbench, gaussian_mixture

PROMISE, RADIUS = 1e-8, 10.0


@check("stationary", ("stationary",), quick=("stationary",))
def one_atom_laws(bench: Workbench, scheme: str) -> Iterator[Row]:
    """All of them on 0 <= r <= 10, and no other."""
    del bench
    for entry in reference()["single_atom"]:
        label = f"stationary {entry['act']} {entry['Delta']:g} [{entry['d']}]"
        points = _interior(entry["act"], entry["Delta"], (entry["d"],))
        expected = entry["interior"]
        yield Row(f"{label} number of laws", scheme, float(len(expected)), float(len(points)), 0.0, 0.0)
        for point, law in zip(points, expected, strict=False):
            place = f"{label} r = {law['r_star'][0]:.5g}"
            split, drift = point.splitting[0][0], point.drift[0]
            for name, key, computed in (
                ("r", "r_star", float(point.positions[0, 0])),
                ("R", "R", point.risk),
                ("H0", "H0", split),
                ("U12", "U12", drift - split),
            ):
                value, bar = law[key]
                yield Row(f"{place} {name}", scheme, value, computed, bar, PROMISE)
            unstable = "unstable" in law["classification"].lower()
            yield Row(f"{place} unstable", scheme, float(unstable), float(point.stable is False), 0.0, 0.0)


@check("stationary-threshold", ("stationary",))
def threshold(bench: Workbench, scheme: str) -> Iterator[Row]:
    """d = infinity, activation M: one atom has zero risk where q((1 + Delta) r) = 1 and q((1 - Delta) r) = -1."""
    del bench
    table = activation("M")
    mean = piecewise_linear_mean(table["knots"], table["values"])

    def miss(unknowns: Array) -> Array:
        delta, r = unknowns
        return np.asarray(mean.value(np.array([(1.0 + delta) * r, (1.0 - delta) * r])) - np.array([1.0, -1.0]))

    delta, r = map(float, optimize.fsolve(miss, [0.5, 1.7], xtol=1e-13))
    yield Row("threshold Delta at d = infinity", scheme, 0.474219, delta, 5e-7, 1e-6)
    best = min(_interior("M", delta, None), key=lambda point: point.risk)
    yield Row("threshold r*", scheme, r, float(best.positions[0, 0]), 1e-12, PROMISE)
    yield Row("threshold R", scheme, 0.0, best.risk, 1e-20, 1e-16)


def _interior(letter: str, delta: float, dims: tuple[int, ...] | None) -> list[StationaryPoint]:
    """One-atom laws off the origin, by radius."""
    tables = gaussian_mixture(activation(letter), delta, dims, 1.0)
    found = stationary(parse(tables), RADIUS, branches=False).points
    laws = [point for point in found if len(point.masses) == 1 and point.positions[0, 0] > 0.0]
    return sorted(laws, key=lambda point: float(point.positions[0, 0]))
