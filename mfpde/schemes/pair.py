"""What a scheme brings to a run: the scheme, its coarser companion, and what is known of their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.problem.problem import Problem
from mfpde.schemes.choice import choice_words, scheme_of
from mfpde.schemes.foretold import foretold
from mfpde.schemes.guide import run_guide, spread_guide, starting_guide, visited_box
from mfpde.schemes.interface import SchemeKind
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import Observation, Scheme, State
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.space.trails import Trails

if TYPE_CHECKING:
    from mfpde.experiment import Experiment


FLOOR_ATOMS = 200
"""Atoms of the guide on which features are held against their source."""
SMALLEST = 1e-2
"""Size of z below which no error of Psi is taken to vary."""
CARRIED = 1e-13
"""Share of the mass below which an atom of the guide is not asked where it goes."""


@dataclass(frozen=True)
class Pair:
    """A scheme ready to run.

    Attributes:
        main: the scheme asked for.
        companion: a coarser run of it, whose difference estimates the error of the risk; None where there is none.
        error_floor: error of the risk that refinement does not see (features, rounding).
        notes: what the user should know of the choices made.
        attributes: those choices, for the result file.
        fixed_step: length of the scheme's steps, cut at save times only; None where they adapt.
        dissipation_floor: as `error_floor`, of the dissipation D per unit of flow time.
        apart: the errors of numbers that are told of a law, from what the scheme shows, the companion's state and how
            they are told; None for their differences.
        share: how much of the companion's difference counts.
        stride: its longest step, over the time between stops.
        further: other runs that say more of the error, each with the share of its difference that counts.
        energy_from: flow time up to which the free energy is not known: with noise a point has none.
        box: where the law must stay; None where it may go anywhere.
    """

    main: Scheme
    companion: Scheme | None = None
    error_floor: float = 0.0
    notes: tuple[str, ...] = ()
    attributes: Mapping[str, str | float | int] = field(default_factory=dict)
    fixed_step: float | None = None
    dissipation_floor: float = 0.0
    apart: Callable[[Observation, State, Callable[[Observation], Array]], Array] | None = None
    share: float = 1.0
    stride: float = math.inf
    further: tuple[tuple[Scheme, float], ...] = ()
    energy_from: float = -1.0
    box: Box | None = None


def make_pair(
    problem: Problem,
    experiment: Experiment,
    progress: Callable[[str], object] | None = None,
    scheme: SchemeKind | None = None,
    warn: Callable[[str], object] | None = None,
) -> Pair:
    """The scheme of `experiment.solver` (or `scheme` itself) on this problem, with its companion.

    `progress` is told what is done, `warn` what takes long.
    """
    say = progress or (lambda text: None)
    kind = scheme_of(experiment) if scheme is None else scheme
    problem = problem.from_start
    with foretold(warn):
        say("guide")
        guide = run_guide(problem, experiment, warn) if kind.guided(experiment) else starting_guide(problem)
        box = visited_box(problem, guide)
        say("features")
        pair = kind.pair(problem, experiment, guide, box)
    remarks = dict(problem.data.remarks(problem.unit, problem.options))
    notes = (*choice_words(experiment), *pair.notes, *([str(remarks.pop("note"))] if "note" in remarks else []))
    attributes = {**pair.attributes, **remarks}
    return replace(pair, box=box if kind.straight else None, notes=notes, attributes=attributes)


def refuse_leaving(pair: Pair, problem: Problem, experiment: Experiment) -> None:
    """Raise ConfigurationError where the law leaves what was laid out for an earlier end on its way to a later one."""
    if pair.box is None:
        return
    guide = run_guide(problem, experiment)
    if math.isfinite(problem.flow.inverse_temperature):
        guide = spread_guide(problem, guide)
    lower, upper = pair.box.lower, pair.box.upper
    edges = pair.main.observe(pair.main.initial_state()).law.edges
    if edges is not None:
        lower, upper = (np.array([axis[end] for axis in edges]) for end in (0, -1))
    places = guide.positions[:, guide.weights > CARRIED * guide.weights.sum()]
    outside = ((places < lower) | (places > upper)).any(axis=(1, 2))
    if outside.any():
        time = problem.flow.schedule.time(float(guide.times[int(np.argmax(outside))]))
        words = f"the law leaves the grid or table of the file about t = {time:.3g}"
        raise ConfigurationError([f"time.end: {words}; end before, or run it again from the start with --force"])


def error_floor_of(reduced: ReducedObjective, guide: Trails) -> float:
    """Error of the risk that no refinement of the scheme shows, measured on laws of the guide."""
    chosen = sorted(set(np.linspace(0, len(guide.times) - 1, 6).astype(int).tolist()))
    return reduced.risk_error(guide.at(k) for k in chosen) + 1e-14


def dissipation_floor_of(reduced: ReducedObjective, problem: Problem, guide: Trails, error: float) -> float:
    """Error of D = 2 (∫|grad G|^2 drho + alpha Var_rho G) that no refinement of the scheme shows, on laws of the guide.

    It is what the features do to D next to Psi and its gradients by what does not share them, or by their source where
    that is exact. Where there is nothing better than a source, it is what they do next to that; and where Psi is off by
    `error`, that of the risk, its slopes are by about that over the size of z.
    """
    chosen = sorted({0, len(guide.times) // 2, len(guide.times) - 1})
    laws = [guide.at(k) for k in chosen]
    return max(_dissipation_error(reduced, problem, _fewer(law), error) for law in laws) + 1e-14


def _fewer(law: Atoms) -> Atoms:
    """At most a tenth of `FLOOR_ATOMS` of the atoms: all pairs of them are asked for."""
    step = -(-10 * len(law.weights) // FLOOR_ATOMS)
    return Atoms(law.points[::step], law.weights[::step] * (law.mass / law.weights[::step].sum()))


def _dissipation_error(reduced: ReducedObjective, problem: Problem, law: Atoms, error: float) -> float:
    forms = [
        form.features.contract(law.points, form.loss_gradient(form.outputs(law.points, law.weights)))
        for form in (reduced.objective, reduced.source)
    ]
    exact = reduced.potential_of(law)
    if exact is None and reduced.source_error == 0.0:
        exact = forms[1]
    own, source, *measured = (_shares(problem, law, *parts) for parts in (*forms, *([] if exact is None else [exact])))
    rate = problem.flow.rate

    def apart(other: tuple[float, float]) -> float:
        return abs(2.0 * (own[0] - other[0]) + 2.0 * rate * (own[1] - other[1]))

    if measured:
        return apart(measured[0])
    size = max(math.sqrt(float(law.weights @ (law.points**2).sum(axis=1))), SMALLEST)
    # what 2 v^2 changes by with v
    slope, value = problem.flow.transport * error / size, error
    moved = slope * (2.0 * math.sqrt(source[0]) + slope)
    return apart(source) + 2.0 * (moved + rate * value * (2.0 * math.sqrt(source[1]) + value))


def _shares(problem: Problem, law: Atoms, potential: Array, slopes: Array) -> tuple[float, float]:
    """∫|grad G|^2 drho and Var_rho G, or what free mass has in its place, from Psi and its gradients."""
    flow = problem.flow
    held = flow.confinement(problem.geometry)
    spread = flow.excess(potential + held.value(law.points), law.weights) ** 2
    slopes = (slopes + held.gradient(law.points)) * np.sqrt(problem.geometry.mobility) * flow.transport
    return float(law.weights @ (slopes**2).sum(axis=1)), float(law.weights @ spread)


def described(reduced: ReducedObjective, error: float) -> dict[str, str | float | int]:
    """How the features were obtained and what their `error_floor_of` the risk is, for the result file."""
    return {"features": reduced.method, "rank": reduced.rank, "feature_error": error}
