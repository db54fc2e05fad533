"""Characteristics from quadrature labels of rho_0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mfpde.schemes.interface import Reference, Refusal, SchemeKind, noisy, scheme, too_many_labels, too_many_meetings
from mfpde.schemes.options import AtomOptions
from mfpde.schemes.solver import MINIMUM_TOLERANCE, Solver

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
    from mfpde.solvers.flow.time_loop import Observation, State
    from mfpde.solvers.objective.objective import Objective
    from mfpde.solvers.objective.representation import Form, ReducedObjective
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.trails import Trails

REFERENCE_TOLERANCE = 1e-8
SLIDING_SHARE = 1e-4
"""Tolerance of steps between kinks, as a share of that of the run: events are found as well as they are steep."""
FREE_STEPS = 1e-8
"""Largest tolerance of steps of free masses on atoms, which are stiff: steps as long as stability allows keep masses in
motion by about their tolerance, and what that dissipates is in D for as long as the run goes on. In spikes-3 the
balance at t = 200 is 7.9e-6, 8.8e-8 and 5.0e-9 at tolerances of 1e-6, 1e-7 and 1e-8, at nearly the same cost."""
MEETINGS, FEWEST_SLIDING = 10_000, 200
"""Atoms times kinks, each of which may meet, that panels are laid out for; atoms that there may be in any case."""
FINER, STRIDE = 0.1, 0.4
"""Tolerance of the steps beside given atoms, over that of the run, and the longest of them, over the time between
stops: both runs would take those that these cut."""
ALIKE = 2.0
"""What two runs are wrong by, over their difference, where what one of them is better by may be little."""
MOST_LABELS = 3
"""Labels of rho_0 whose panels are still few."""
FEWEST_PER_LABEL = 25
"""Atoms along each label of rho_0 below which a run on kinks was seen to end at the start."""


@scheme("characteristics")
class CharacteristicsKind(SchemeKind):
    """Atoms at quadrature labels of rho_0, moved along -grad Psi by steps of an adaptive tolerance.

    The companion has ten times the tolerance, better features, and other labels: on panels cut elsewhere, of fewer
    nodes, and with births and deaths cut off farther out. Where their number is given it has half of them, or twice a
    few. Given atoms have one of a tenth of the tolerance. Twice the difference counts: nothing says that what is better
    is much better.
    """

    Options = AtomOptions
    unshared = ("atoms",)
    place = 3
    by_default = True
    oracle = 2
    knows_dissipation = True

    def refusals(self, problem: Problem, experiment: Experiment) -> list[Refusal]:
        from mfpde.schemes.label_nodes import atoms_per_label

        words = Refusal(
            "dynamics.inverse_temperature", "characteristics have no noise", "inverse_temperature = inf", "noise"
        )
        counts = problem.initial_law.given or atoms_per_label(problem.initial_law, experiment.solver.atoms) or ()
        meetings = too_many_meetings(problem, math.prod(counts))
        return super().refusals(problem, experiment) + [words] * noisy(problem) + too_many_labels(problem) + meetings

    def guided(self, experiment: Experiment) -> bool:
        return not experiment.law.explicit

    def reservations(self, problem: Problem) -> list[str]:
        labels, planes = problem.initial_law.spread, 0 if problem.kinks is None else len(problem.kinks.offsets)
        if labels > MOST_LABELS:
            return [f"panels of {labels} labels of rho_0 take too many atoms"]
        if planes and _room(planes) < FEWEST_PER_LABEL**labels:
            words = f"the {_room(planes)} atoms that may meet {planes} planes of kinks one by one"
            return [f"{words} do not tell rho_0 along {labels} labels"]
        return []

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        from mfpde.problem.labels import label_law
        from mfpde.schemes.guide import TABLE_SHARE
        from mfpde.schemes.label_nodes import atoms_per_label, nodes_along, nodes_within, other_atoms
        from mfpde.schemes.memory import refuse_atoms
        from mfpde.schemes.pair import Pair, described, dissipation_floor_of, error_floor_of
        from mfpde.solvers.characteristics.characteristics import Characteristics

        tolerance = experiment.solver.tolerance
        form: Form = "tabulated" if problem.initial_law.spread else "atoms"
        reduced = problem.represent(form, box, 0.1 * tolerance)
        if problem.kinks is not None:
            return self._sliding(problem, experiment, reduced, error_floor_of(reduced, guide))
        beside = problem.represent(form, box, 0.1 * tolerance, reduced).objective
        atoms = atoms_per_label(problem.initial_law, self.options(experiment.solver).atoms)
        reacts, nodes = problem.flow.reacts, nodes_along(problem.initial_law)
        law, other = (label_law(problem.initial_law, 0, share * TABLE_SHARE * tolerance, reacts) for share in (1, 10))
        # births are selected by the features at the atoms of halved panels
        held = 2 * reduced.rank if reacts else 0
        asked = atoms, other_atoms(atoms)
        refuse_atoms((law, other), nodes, asked, held, problem.geometry.dimension)

        steps = min(tolerance, FREE_STEPS) if problem.flow.free and not problem.initial_law.spread else tolerance

        def run(
            objective: Objective, law: LabelLaw, coarser: float, most: int, counts: tuple[int, ...] | None
        ) -> Characteristics:
            order = nodes_within(most, counts)
            return Characteristics(
                objective, problem.geometry, problem.flow, law, coarser * steps, order=order, atoms=counts
            )

        main = run(reduced.objective, law, 1, nodes[0], atoms)
        other = other.farther() if reacts else other
        # atoms that pass one another at kinks of U leave steps errors of no order, which they do not see themselves
        coarser, stride = (10.0, math.inf) if problem.initial_law.spread else (FINER, STRIDE)
        companion = run(beside, other.cut_elsewhere(), coarser, nodes[1], asked[1])
        # where saves lie closer than the steps, main and companion step alike and their difference says nothing
        floor = error_floor_of(reduced, guide) + 0.1 * tolerance
        dissipation_floor = dissipation_floor_of(reduced, problem, guide, floor) + 0.1 * steps
        words = described(reduced, floor)
        return Pair(main, companion, floor, (), words, None, dissipation_floor, share=ALIKE, stride=stride)

    def _sliding(self, problem: Problem, experiment: Experiment, reduced: ReducedObjective, floor: float) -> Pair:
        """Where Psi has kinks: from event to event, beside other labels, other steps, and the balance of the energy."""
        from scipy.integrate import DOP853, RK45, OdeSolver

        from mfpde.problem.labels import label_law
        from mfpde.schemes.label_nodes import NODES, atoms_per_label, nodes_within, other_atoms
        from mfpde.schemes.pair import Pair, described
        from mfpde.solvers.characteristics.sliding import SlidingCharacteristics

        planes = 0 if problem.kinks is None else len(problem.kinks.offsets)
        atoms = atoms_per_label(problem.initial_law, self.options(experiment.solver).atoms)
        law = label_law(problem.initial_law, plain=True)
        step = max(SLIDING_SHARE * experiment.solver.tolerance, MINIMUM_TOLERANCE)
        most = _room(planes)

        def run(
            law: LabelLaw, tolerance: float, order: int, counts: tuple[int, ...] | None, method: type[OdeSolver]
        ) -> SlidingCharacteristics:
            order = nodes_within(order, counts)
            return SlidingCharacteristics(
                reduced.objective, problem.geometry, problem.flow, law, tolerance, most, order, counts, method
            )

        main = run(law, step, NODES[0], atoms, DOP853)
        other = run(law.cut_elsewhere(), 10.0 * step, NODES[1], other_atoms(atoms), RK45)
        start, second = (scheme.observe(scheme.initial_state()) for scheme in (main, other))
        spread = problem.initial_law.spread > 0

        def apart(seen: Observation, beside: State, told: Callable[[Observation], Array]) -> Array:
            balance = abs(seen.free_energy - start.free_energy + seen.dissipated)
            found = np.abs(told(seen) - told(other.observe(beside)))
            if spread:
                # nodes that do not know the kinks are as wrong as others like them, and stay as wrong as at the start
                found = ALIKE * np.maximum(found, np.abs(told(start) - told(second)))
            return found + balance

        note = f"Psi has kinks on {planes} plane{'s' * (planes > 1)}, which particles cross or stick to"
        words = described(reduced, floor) | {"kinks": planes}
        return Pair(main, other, floor + step, (note,), words, dissipation_floor=step, apart=apart)

    def reference(self, problem: Problem, experiment: Experiment, levels: int, refined: bool) -> Reference:
        tolerance = min(REFERENCE_TOLERANCE, experiment.solver.tolerance)
        if refined:
            beyond = self.refined(problem, experiment, levels).resolution
            tolerance = max(min(tolerance, beyond), MINIMUM_TOLERANCE)
        return Reference(self.name, "", Solver(scheme=self.name, tolerance=tolerance))


def _room(planes: int) -> int:
    """Atoms that panels are laid out for beside so many planes."""
    return max(FEWEST_SLIDING, MEETINGS // planes)
