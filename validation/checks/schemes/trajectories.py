"""Every noise-free trajectory of the reference, in every scheme: risk, moments, and the error estimate itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from mfpde.experiment import Experiment
from validation.expected.reference import Trajectory, trajectories
from validation.figures import draw_trajectory
from validation.rows import CHARACTERISTICS, CHECKS, SCHEMES, Check, Row, allowance, within_estimate, worst
from validation.workbench import Workbench, at, configured

BETWEEN = 40
"""Further save times, for the figures."""
QUICK = {
    "isotropic_N_d320_kappa0.4": (CHARACTERISTICS,),
    "isotropic_N_d320_kappa0.1": SCHEMES,
    "infinite_T_D0.8_k0.8": (CHARACTERISTICS,),
    "infinite_isotropic_N_D0.5_k0.4": SCHEMES,
}


def rows(case: Trajectory, bench: Workbench, scheme: str) -> Iterator[Row]:
    """R at every time; each moment, and the error estimate, at its worst time."""
    result = bench.run(_configuration(case, scheme))
    risks = [(row["t"], *row["R"], at(result, "risk", row["t"])) for row in case.rows]
    for time, risk, bar, computed in risks:
        allowed = allowance(scheme, risk, bar)
        yield Row(f"{case.name} R({time:g})", scheme, risk, computed, bar, allowed)
    yield worst(
        within_estimate(case.name, scheme, time, risk, case.bar(time, bar), result) for time, risk, bar, _ in risks
    )
    yield from _moments(case, bench, scheme)


def _moments(case: Trajectory, bench: Workbench, scheme: str) -> Iterator[Row]:
    """Means and variances; the finite volumes promise the risk alone, theirs are shown."""
    result = bench.run(_configuration(case, scheme))
    for axis, name in enumerate(result.names):
        short = name if len(result.names) > 1 else "r"
        for key, series in (("mean", "mean"), ("var", "variance")):
            quantity = f"{key}_{short}"
            found = (
                (row["t"], *row[quantity], at(result, series, row["t"], axis)) for row in case.rows if quantity in row
            )
            candidates = [
                Row(
                    f"{case.name} {quantity}({time:g})",
                    scheme,
                    value,
                    computed,
                    bar,
                    allowance(scheme, value, bar) if scheme == CHARACTERISTICS else math.inf,
                )
                for time, value, bar, computed in found
            ]
            if candidates:
                yield worst(candidates)


def _configuration(case: Trajectory, scheme: str) -> Experiment:
    first, last = next(time for time in case.times if time > 0.0), case.times[-1]
    between = np.geomspace(0.3 * first, last, BETWEEN)[:-1]
    apart = [float(time) for time in between if all(abs(time / t - 1.0) > 1e-3 for t in case.times if t > 0.0)]
    return configured(case.tables, scheme, sorted({*case.times, *apart}))


def draw(case: Trajectory, bench: Workbench, folder: Path) -> Iterable[Path]:
    """Risk and errors of every scheme, and the law in finite volumes."""
    results = [bench.run(_configuration(case, scheme)) for scheme in SCHEMES if bench.has(_configuration(case, scheme))]
    return draw_trajectory(case, results, folder)


for _case in trajectories():
    CHECKS.append(Check(_case.name, SCHEMES, partial(rows, _case), QUICK.get(_case.name, ()), partial(draw, _case)))
