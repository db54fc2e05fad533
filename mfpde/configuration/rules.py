"""The rules of a configuration that involve more than one key."""

from __future__ import annotations

import math

from mfpde.experiment import Data, Experiment, Initial, Network, Normal
from mfpde.keys.reader import increasing

MAXIMUM_CELLS = 2**24
MAXIMUM_PARTICLES = 10**6
LONGEST = 1e6
"""Largest time.end in times s^3 of bumps of width s, in which the potential of one moves another by s."""
WIDEST = 200.0
"""Largest distance of a bump or of the start from 0, in widths of the bumps: features grow in number with it."""


def check_together(configuration: Experiment, errors: list[str]) -> None:
    """The rules that involve more than one table."""
    data, network, initial = configuration.data, configuration.network, configuration.initial
    dynamics, solver = configuration.dynamics, configuration.solver
    if math.isfinite(dynamics.inverse_temperature):
        if data.infinite:
            problem = 'dynamics.inverse_temperature: noise is undefined at data.dims = "infinite"'
            errors.append(f"{problem}; write inverse_temperature = inf, or finite dims")
        confined = network == Network("relu", "fixed", network.offsets) and network.offsets != "trained"
        if not confined and not (dynamics.ridge > 0.0):
            problem = "dynamics.ridge = 0: with noise the law spreads for ever, nothing confines it"
            errors.append(f"{problem}; write for example ridge = 0.1")
    if network.offsets == "none" and initial.b != 0.0:
        errors.append('initial.b: the network has no offsets; write offsets = "fixed" or "trained" in [network]')
    _check_times(configuration, errors)
    _check_bumps(data, initial, configuration.time.end, errors)
    names = ["z"] if data.law == "gaussian-bumps" else []
    names += [f"r{block + 1}" for block in range(data.blocks)]
    names += ["a"] if network.coefficients == "trained" or isinstance(initial.a, Normal) else []
    names += ["b"] if network.offsets == "trained" or isinstance(initial.b, Normal) else []
    if solver.scheme == "particles" and solver.atoms is not None:
        if len(solver.atoms) != 1 or not (solver.atoms[0] <= MAXIMUM_PARTICLES):
            problem = f"solver.atoms = {list(solver.atoms)}: particles take one number, at most {MAXIMUM_PARTICLES}"
            errors.append(f"{problem}; write for example atoms = 200")
        return
    for key, counts in (("cells", solver.cells), ("atoms", solver.atoms)):
        if counts is not None and len(counts) not in (1, len(names)):
            problem = f"solver.{key} = {list(counts)}: the reduced coordinates are {', '.join(names)}"
            errors.append(f"{problem}; write {len(names)} numbers, one for each, or one for all")
        elif counts is not None:
            total = math.prod(counts) if len(counts) == len(names) else counts[0] ** len(names)
            if not (total <= MAXIMUM_CELLS):
                problem = f"solver.{key} = {list(counts)}: {total:.3g} {key} in all, more than {MAXIMUM_CELLS}"
                errors.append(f"{problem}; write for example {key} = {int(MAXIMUM_CELLS ** (1 / len(names)) / 2)}")


def _check_bumps(data: Data, initial: Initial, end: float, errors: list[str]) -> None:
    """The line must be short in widths of the bumps, and the run in their times."""
    if data.width is None or data.centres is None or initial.position is None:
        return
    law = initial.position
    ends = (law.mean - 9.0 * law.std, law.mean + 9.0 * law.std) if isinstance(law, Normal) else (law.low, law.high)
    reach = max(abs(place) for place in (*data.centres, *ends))
    if not (reach <= WIDEST * data.width):
        problem = f"data.width = {data.width:g}: centres and start reach {reach:g}, beyond {WIDEST:g} widths from 0"
        errors.append(f"{problem}; write a width of at least {reach / WIDEST:.3g}, or places nearer 0")
    if not (end <= LONGEST * data.width**3):
        problem = f"time.end = {end:g}: bumps of width {data.width:g} move in times of width^3 = {data.width**3:.3g}"
        errors.append(f"{problem}; write an end of at most {LONGEST * data.width**3:.3g}, or a larger data.width")


def _check_times(configuration: Experiment, errors: list[str]) -> None:
    """The save times must stay apart in floating point, in training time and in flow time."""
    schedule, times = configuration.dynamics.schedule, configuration.time.save_times
    if not increasing(times):
        errors.append("time.save: the times are too close to tell apart; write fewer times, or a smaller first one")
        return
    try:
        flow_times = tuple(schedule.flow_time(time) for time in times)
        back = schedule.time(flow_times[-1])
    except (ArithmeticError, ValueError):
        flow_times, back = (), math.nan
    if not (increasing(flow_times) and abs(back - times[-1]) <= 1e-6 * times[-1]):
        problem = "dynamics.schedule: the save times cannot be told apart on its clock"
        errors.append(f"{problem}; write a power nearer 0, or other save times")
