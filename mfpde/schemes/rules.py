"""The rules of an experiment that involve more than one table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mfpde.keys.declaration import keys_of
from mfpde.keys.reader import increasing
from mfpde.problem.initial.points import head_laws, points_of
from mfpde.problem.laws.finite_data import undrawn
from mfpde.schemes.interface import SCHEMES, scheme_named
from mfpde.schemes.options import PerCoordinate
from mfpde.solvers.flow.confinement import Ridge
from mfpde.solvers.objective.losses.logarithm import has_logarithms

if TYPE_CHECKING:
    from mfpde.experiment import Experiment

MOST_STEPS = 1e9
"""Steps that a run could end with within days."""


def check_together(experiment: Experiment, errors: list[str]) -> None:
    """The rules that involve more than one table."""
    law, network, initial = experiment.law, experiment.network, experiment.initial
    dynamics, solver = experiment.dynamics, experiment.solver
    unit = law.unit(network, initial)
    flow, space = dynamics.held, law.space(unit)
    loose = [] if law.confines(unit) else flow.confinement(space).loose(space)
    if math.isfinite(dynamics.inverse_temperature) and loose:
        problem = "dynamics.ridge = 0: with noise the law spreads for ever, nothing confines"
        errors.append(f"{problem} {', '.join(loose) if flow.confines else 'it'}; write for example ridge = 0.1")
    errors += [] if points_of(initial) is None else law.point_problems(network, initial)
    if network.offsets == "none" and head_laws(initial)[1] != 0.0:
        errors.append('initial.b: the network has no offsets; write offsets = "fixed" or "trained" in [network]')
    errors += _mobility_problems(experiment) + _penalty_problems(experiment)
    errors += _mass_problems(experiment)
    _check_scale(experiment, errors)
    errors += _centred_problems(experiment)
    _check_times(experiment, errors)
    errors += _margin_problems(experiment)
    errors += law.problems(experiment) + undrawn(experiment.data)
    names = law.space(unit).names
    for each in keys_of(solver):
        value = getattr(solver, each.name)
        if value is not None and isinstance(each.kind, PerCoordinate):
            errors += each.kind.mistakes(each.name, value, names)
    if solver.scheme in SCHEMES:
        errors += scheme_named(str(solver.scheme)).mistakes(solver)


def _mobility_problems(experiment: Experiment) -> list[str]:
    """A mobility is that of something trained, and something must move."""
    asked = experiment.dynamics.mobility
    given = {} if asked is None else asked.table
    trained = _trained(experiment)
    keys = {"a": "coefficients", "b": "offsets"}
    errors = [
        f'dynamics.mobility.{name}: {name} is not trained; write {keys[name]} = "trained" in [network], or leave it out'
        for name in given
        if not trained[name]
    ]
    if given and not any(moves and given.get(name, 1.0) > 0.0 for name, moves in trained.items()):
        errors.append("dynamics.mobility: nothing moves; write a number above 0 for one that is trained")
    return errors


def _mass_problems(experiment: Experiment) -> list[str]:
    """Growth is that of free mass, in place of birth and death, and without noise."""
    dynamics, implied = experiment.dynamics, experiment.law.growth
    if dynamics.growth_of(implied) is None:
        if dynamics.growth is None:
            return []
        return ['dynamics.growth: unused by mass = "probability"; write mass = "free", or leave growth out']
    whose = 'mass = "free"' if implied is None else f'data.law = "{experiment.data.name}", whose mass is free'
    errors = []
    if dynamics.fisher_rao_rate > 0.0:
        errors.append(f"dynamics.fisher_rao_rate: unused by {whose}; write growth, or leave it out")
    if math.isfinite(dynamics.inverse_temperature):
        words = f"no noise is defined beside {whose}: the entropy that it adds to F is that of laws of mass 1"
        errors.append(f"dynamics.inverse_temperature: {words}; write inf")
    return errors


def _trained(experiment: Experiment) -> dict[str, bool]:
    """Which parameters of a neuron move."""
    law = experiment.data
    taken = "coefficients" in law.network_keys, "offsets" in law.network_keys
    pairs = zip("ab", experiment.network.trained, taken, strict=True)
    return {"w": True, **{name: moves and known for name, moves, known in pairs}}


def _penalty_problems(experiment: Experiment) -> list[str]:
    """A ridge by parameter is one of what is trained, and a penalty is that of coefficients."""
    dynamics, trained, errors = experiment.dynamics, _trained(experiment), []
    if isinstance(dynamics.ridge, Ridge):
        errors += [
            f"dynamics.ridge.{name}: {name} is not trained; write {name} = 0.0, or leave it out"
            for name, value in vars(dynamics.ridge).items()
            if value > 0.0 and not trained[name]
        ]
    penalty, signed = dynamics.penalty, _signed(experiment)
    if penalty is not None and not (trained["a"] or (signed and penalty.path > 0.0)):
        remedy = "path = strength" if signed else 'coefficients = "trained" in [network], or leave it out'
        errors.append(f"dynamics.penalty: there are no coefficients that move; write {remedy}")
    return errors


def _signed(experiment: Experiment) -> bool:
    """Whether neurons have masses with a sign in place of coefficients."""
    law = experiment.data
    space = law.space(law.unit(experiment.network, experiment.initial))
    return any(axis.discrete for axis in space.axes)


def _check_scale(experiment: Experiment, errors: list[str]) -> None:
    """Neurons of outputs at a scale move as the data pull them over alpha; what else moves them has no scale."""
    scale, dynamics = experiment.network.scale, experiment.dynamics
    if scale == 1.0:
        return
    flow = dynamics.held
    others = {
        "ridge": flow.decay.largest > 0.0,
        "penalty": flow.penalty.acts,
        "inverse_temperature": math.isfinite(dynamics.inverse_temperature),
        "flow": dynamics.flow != "wasserstein",
        "mass": dynamics.growth_of(experiment.law.growth) is not None,
    }
    words = ", ".join(f"dynamics.{name}" for name, acts in others.items() if acts)
    if words:
        problem = f"network.scale = {scale:g}: not defined beside {words}"
        errors.append(f"{problem}; write scale = 1.0, or leave {words} out")


def _centred_problems(experiment: Experiment) -> list[str]:
    """Only under the square loss is f - f_0 that learns y the same as f that learns y + f_0."""
    if not experiment.network.centred or experiment.law.pointwise is None:
        return []
    words = f'f_0 is subtracted under the square loss only, not that of "{experiment.data.name}"'
    return [f"network.centred: {words}; write centred = false"]


def _margin_problems(experiment: Experiment) -> list[str]:
    """The clock of the loss, and runs until the margin stands, are those of classes without a minimiser."""
    law, time, dynamics = experiment.law, experiment.time, experiment.dynamics
    remedy = 'law = "dataset", loss = "logistic" in [data]'
    homogeneous = law.unit(experiment.network, experiment.initial).activation.homogeneity == 1.0
    if time.until == "margin" and not (law.recedes and homogeneous and _trained(experiment)["a"]):
        words = "margins are those of classes by homogeneous units whose a moves"
        network = 'activation = "relu", coefficients = "trained" in [network]'
        return [f'time.until: {words}; write {remedy}, {network}, or until = "end"']
    if time.clock == "flow":
        return []
    if not (law.recedes and has_logarithms(law.pointwise)):
        return [f'time.clock: no loss here falls for ever and tells its logarithm; write {remedy}, or clock = "flow"']
    held = dynamics.held
    if held.confines or math.isfinite(dynamics.inverse_temperature) or dynamics.flow != "wasserstein":
        words = "ridge, penalty, noise, births and deaths do not share the clock of the loss"
        return [f'time.clock: {words}; leave them out, or write clock = "flow"']
    return []


def _check_times(experiment: Experiment, errors: list[str]) -> None:
    """The save times must stay apart in floating point, in training time and in flow time."""
    schedule, times = experiment.dynamics.schedule, experiment.time.save_times
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
    step = experiment.solver.step
    if step is not None and flow_times and not (flow_times[-1] <= MOST_STEPS * step):
        problem = f"solver.step = {step:g}: more than {MOST_STEPS:.0e} steps to the last save time"
        errors.append(f"{problem}; write a larger step, or leave it out")
