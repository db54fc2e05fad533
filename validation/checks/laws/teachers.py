"""Single-index targets: trajectories, infinite dimension, and the kernel limit, against independent values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from math import atan2, pi, sqrt
from typing import Any

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.stats import norm

from mfpde.configuration.parsing import parse
from mfpde.studies.kernel.kernel import kernel
from mfpde.studies.stationary.stationary import stationary
from validation.checks.laws.trained import TEACHERS
from validation.rows import CHARACTERISTICS, CHECKS, SCHEMES, Check, Row, allowance, check, within_estimate, worst
from validation.workbench import TOLERANCES, Workbench, at

HE_2 = {"hermite": [0.0, 0.0, 1.0]}
SIGNS = {"values": [-1.0, 1.0]}
TRAINED = {"activation": "relu", "coefficients": "trained"}
TABLES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "B1": ({"data": {"dim": 40, "target": "erf"}, "network": {"activation": "erf"}}, SCHEMES),
    "B4": (
        {"data": {"dim": 40, "target": HE_2}, "network": TRAINED, "initial": {"a": SIGNS}},
        (CHARACTERISTICS,),
    ),
    "Binf-erf": ({"data": {"dim": "infinite", "target": "erf"}, "network": {"activation": "erf"}}, (CHARACTERISTICS,)),
}
"""[data], [network] and [initial] of a reference, and the schemes that it is meant for."""
NAMES = {"w_perp": ("w_perp_norm", "s")}
FURTHER = {"B4": ((10.0, 0.35036982, 6.2e-7), (30.0, 0.12662311, 6.2e-7), (100.0, 0.06075622, 5.2e-7))}
"""R at later times from a tenth of the tolerance, with the error that the run states: no other values are known."""
LOOSE = {"B4": 1e-6}
"""Tolerances of those that take minutes."""
SLOW = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10000.0)
ODE_ERROR = 1e-12
SEEN = 100.0
"""Until then an atom is where it should be; at t = 1e4 R = 1.5e-10 holds for w_perp within a thousandth."""


def rows(case: Mapping[str, Any], bench: Workbench, scheme: str) -> Iterator[Row]:
    """R at every time, each moment and the error estimate at its worst time."""
    name = case["id"]
    expected = [*((float(row["t"]), *row["R"]) for row in case["rows"]), *FURTHER.get(name, ())]
    run = bench.run(parse(_tables(TABLES[name][0], scheme, [time for time, _, _ in expected], LOOSE.get(name))))
    for time, risk, bar in expected:
        yield Row(f"{name} R({time:g})", scheme, risk, at(run, "risk", time), bar, allowance(scheme, risk, bar))
    yield worst(within_estimate(name, scheme, time, risk, bar, run) for time, risk, bar in expected)
    for axis, coordinate in enumerate(run.names):
        for series, short in (("mean", "mean "), ("variance", "var ")):
            keys = [f"{short}{known}" for known in (coordinate, *NAMES.get(coordinate, ()))]
            keys += list(NAMES.get(coordinate, (coordinate,))) if series == "mean" else []
            found = [
                Row(
                    f"{name} {key}({row['t']:g})",
                    scheme,
                    row[key][0],
                    at(run, series, float(row["t"]), axis),
                    row[key][1],
                    max(1e-6, 3.0 * row[key][1]) if scheme == CHARACTERISTICS else np.inf,
                )
                for row in case["rows"]
                for key in keys
                if key in row
            ]
            if found:
                yield worst(found)


def _tables(
    given: Mapping[str, Any], scheme: str, times: list[float], tolerance: float | None = None
) -> dict[str, dict[str, Any]]:
    data = {"law": "single-index", **given["data"]}
    solver = {"scheme": scheme, "tolerance": tolerance or TOLERANCES[scheme]}
    return {**given, "data": data, "time": {"end": times[-1], "save": times}, "solver": solver}


@check("teachers Binf-relu", (CHARACTERISTICS,), quick=(CHARACTERISTICS,))
def rectifier_in_infinite_dimension(bench: Workbench, scheme: str) -> Iterator[Row]:
    """ReLU on ReLU at d = infinity: two ordinary differential equations; in the end s = 15.15 / t and R like t^-3."""
    given = {"data": {"dim": "infinite", "target": "relu"}, "network": {"activation": "relu"}}
    run = bench.run(parse(_tables(given, scheme, list(SLOW))))
    flow = solve_ivp(_one_atom, (0.0, SLOW[-1]), [0.0, 0.8], "LSODA", SLOW, rtol=1e-13, atol=1e-15)
    for place, time in enumerate(SLOW):
        m, s = flow.y[:, place]
        risk = _risk_of_one_atom(m, s)
        name = f"Binf-relu R({time:g})"
        yield Row(name, scheme, risk, at(run, "risk", time), ODE_ERROR, allowance(scheme, risk))
        yield within_estimate("Binf-relu", scheme, time, risk, ODE_ERROR, run)
        for axis, (short, value) in enumerate((("w_par", m), ("w_perp", s))):
            # later R no longer sees where the atom is to 1e-6, and the error of R is what the run controls
            allowed = 1e-6 if time <= SEEN else np.inf
            yield Row(f"Binf-relu {short}({time:g})", scheme, value, at(run, "mean", time, axis), ODE_ERROR, allowed)


def _one_atom(_: float, z: np.ndarray) -> list[float]:
    """-grad Psi of the atom (m, s) under itself and the teacher (1, 0), from the closed pair moment of rectifiers."""
    m, s = z
    square = m * m + s * s
    wide = sqrt(square + m * m)
    by_teacher = (pi - atan2(s, m)) / (2.0 * pi)
    by_itself = (pi - atan2(s * wide, m * m)) / (2.0 * pi)
    by_length = s * (1.0 - wide) / (4.0 * pi * square)
    return [by_teacher - m * by_itself + 2.0 * m * by_length, 2.0 * s * by_length]


def _risk_of_one_atom(m: float, s: float) -> float:
    """E ((v)_+ - E_G (m v + s G)_+)^2 at v = s x, whose halves x > 0 and x < 0 do not cancel."""

    def grown(x: float) -> float:
        return float(norm.pdf(x) + x * norm.cdf(x))

    def density(x: float) -> float:
        left = s * grown(-m * x)
        return float((left**2 + ((1.0 - m) * s * x - left) ** 2) * norm.pdf(s * x) * s)

    parts = [quad(density, *ends, epsabs=0.0, epsrel=1e-11, limit=400)[0] for ends in ((0.0, 12.0), (12.0, 40.0 / s))]
    return float(sum(parts))


@check("teachers F2", ("kernel",), quick=("kernel",))
def kernel_of_rectifiers(bench: Workbench, scheme: str) -> Iterator[Row]:
    """The kernel limit of rectifiers on (u)_+ and He_2: curves, eigenvalues, and what is never learned."""
    curves = next(entry for entry in _entries() if entry["id"] == "F2")["curves"]
    for target, known in curves.items():
        data = {"dim": 40, "target": HE_2 if target == "he2" else target}
        given = {"data": data, "network": TRAINED, "initial": {"a": SIGNS}}
        limit = kernel(parse(_tables(given, CHARACTERISTICS, [float(time) for time in known["t"]])))
        for name, expected in known["modes"].items():
            mode = limit.modes["all" if name == "aw" else name]
            label = f"F2 {target}, {name}:"
            for place, time in enumerate(known["t"]):
                found = (expected["R"][place], float(mode.risk[place]), 1e-11)
                yield Row(f"{label} R({time:g})", scheme, *found, max(1e-6, float(mode.risk_error[place])))
            learned = sorted(expected["eig"], reverse=True)[0]
            yield Row(f"{label} largest eigenvalue", scheme, learned, float(mode.eigenvalues[0]), 1e-11, 1e-8)
            # a target of infinitely many degrees leaves a share in those whose eigenvalues are rounding
            finite = isinstance(data["target"], dict)
            never = (expected["R_inf"], float(mode.risk_infinity), 1e-11)
            yield Row(f"{label} R(infinity)", scheme, *never, 1e-6 if finite else np.inf)


@check("teachers family", ("stationary",))
def curve_of_optima(bench: Workbench, scheme: str) -> Iterator[Row]:
    """erf on erf at d = infinity: one family of atoms, m = sqrt(1 + 2 s^2), and no point beside it."""
    given = {"data": {"dim": "infinite", "target": "erf"}, "network": {"activation": "erf"}}
    found = stationary(parse(_tables(given, CHARACTERISTICS, [0.0, 1.0])), radius=2.0)
    families = [point.family for point in found.points if point.family is not None]
    yield Row("erf on erf, d = infinity: families", scheme, 1.0, float(len(families)), 0.0, 0.0)
    yield Row("erf on erf, d = infinity: points", scheme, 1.0, float(len(found.points)), 0.0, 0.0)
    for family in families:
        along, across = family.points.T
        off = float(np.abs(along - np.sqrt(1.0 + 2.0 * across**2)).max())
        yield Row("erf on erf, d = infinity: off m = sqrt(1 + 2 s^2)", scheme, 0.0, off, 0.0, 1e-6)


def _entries() -> list[dict[str, Any]]:
    return list(json.loads(TEACHERS.read_text(encoding="utf-8"))["entries"])


for _case in _entries():
    if _case["id"] in TABLES:
        CHECKS.append(Check(f"teachers {_case['id']}", TABLES[_case["id"]][1], partial(rows, _case)))
