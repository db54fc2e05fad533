"""Minimising movements: the one step of the reference, its noise-free trajectories, birth and death in every scheme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from validation.expected.reference import Trajectory, activation, reference, trajectories
from validation.rows import CHARACTERISTICS, CHECKS, FINITE_VOLUME, Check, Row, check, within_estimate, worst
from validation.workbench import Workbench, at, gaussian_mixture

JKO = "jko"
TOLERANCE = 1e-7
RELATIVE = 3e-5
"""Accuracy of the risk along a trajectory at that tolerance: 2.3e-5 past the separatrix, about 1e-5 elsewhere."""
ONE_STEP = 1e-8
QUICK = ("isotropic_N_d320_kappa0.1", "infinite_isotropic_N_D0.5_k0.4")
BIRTH_TIMES = (0.0, 0.5, 1.5, 5.0)


def configured(
    tables: Mapping[str, Mapping[str, Any]], times: Sequence[float], tolerance: float = TOLERANCE, **solver: object
) -> Experiment:
    """A problem's tables with minimising movements."""
    timed = {"end": times[-1], "save": list(times)}
    return parse({**tables, "time": timed, "solver": {"scheme": JKO, "tolerance": tolerance, **solver}})


def trajectory(case: Trajectory, bench: Workbench, scheme: str) -> Iterator[Row]:
    """R at its worst time, to 3e-5 of itself; the error estimate at its worst time; F at its worst rise."""
    result = bench.run(configured(case.tables, case.times))
    found = [(row["t"], *row["R"], at(result, "risk", row["t"])) for row in case.rows]
    yield worst(
        Row(f"{case.name} R({time:g})", scheme, risk, computed, bar, max(RELATIVE * risk, 3.0 * case.bar(time, bar)))
        for time, risk, bar, computed in found
    )
    yield worst(
        within_estimate(case.name, scheme, time, risk, case.bar(time, bar), result) for time, risk, bar, _ in found
    )
    rise = float(max(np.diff(result.free_energy).max(), 0.0))
    yield Row(f"{case.name} largest rise of F", scheme, 0.0, rise, 0.0, 1e-12 * float(result.free_energy[0]))


for _case in trajectories():
    _quick = (JKO,) if _case.name in QUICK else ()
    CHECKS.append(Check(f"jko-{_case.name}", (JKO,), partial(trajectory, _case), _quick))


@check("jko-one-step", (JKO,), quick=(JKO,))
def one_step(bench: Workbench, scheme: str) -> Iterator[Row]:
    """The movement of length tau from rho_0: risk, moments, W2 and the objective W2^2 / (2 tau) + R / 2."""
    del bench
    for entry in reference()["jko_one_step"]:
        tau = entry["tau"]
        tables = gaussian_mixture(activation("M"), 0.8, [40], 0.8)
        configuration = configured(tables, (0.0, tau), 1e-8, step=tau, order=1)
        movement = make_pair(build_problem(configuration), configuration).main
        state = movement.advance(movement.initial_state(), tau)
        seen = movement.observe(state)
        law = seen.law
        moved = law.points - state.arrays["previous"].reshape(law.points.shape)
        squared = float(law.weights @ (moved**2).sum(axis=1))
        computed = {
            "R": seen.risk,
            "mean_r": float(seen.mean[0]),
            "var_r": float(seen.variance[0]),
            "W2": float(np.sqrt(squared)),
            "objective": squared / (2.0 * tau) + 0.5 * seen.risk,
        }
        for name, value in computed.items():
            yield Row(f"one step, {name}", scheme, entry[name][0], value, entry[name][1], ONE_STEP)
        gap = float("nan") if seen.residual is None else seen.residual
        yield Row("one step, duality gap", scheme, 0.0, gap, 0.0, 1e-12)


@check("birth-death-schemes", (JKO, FINITE_VOLUME))
def birth_death(bench: Workbench, scheme: str) -> Iterator[Row]:
    """The mixture experiment from its bad start, against characteristics at 1e-8, within the stated errors."""

    def run(name: str, *further: str) -> Any:
        times = [f"time.end={BIRTH_TIMES[-1]}", f"time.save={list(BIRTH_TIMES)}"]
        return bench.run(load_configuration("bumps-bad", [*times, f"solver.scheme={name}", *further]))

    exact, result = run(CHARACTERISTICS, "solver.tolerance=1e-8"), run(scheme)
    for time in BIRTH_TIMES[1:]:
        expected, bar = at(exact, "risk", time), at(exact, "risk_error", time)
        yield within_estimate("bumps-bad", scheme, time, expected, bar, result)
