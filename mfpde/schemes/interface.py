"""What a scheme is to the rest of the program, and the schemes by name.

To add one, copy a file of mfpde/schemes/kinds, or write the class in a file of your own:

    @mfpde.scheme("explicit-euler")
    class ExplicitEuler:
        def pair(self, problem, experiment, guide, box):
            return Pair(main, companion, error_floor=1e-9)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from mfpde.errors import ConfigurationError
from mfpde.keys.declaration import names_of
from mfpde.keys.reader import nearest, show
from mfpde.schemes.options import NoOptions
from mfpde.solvers.registry import Registry

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.schemes.solver import Solver
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.trails import Trails

LARGEST_NOISY_BLOCK = 1000
"""Block dimension up to which noisy finite volumes were seen to keep time: far above, the law lags behind."""
MOST_LABELS = 6
"""Labels of rho_0 with a density whose panels fit into memory."""
MOST_MEETINGS = 100_000
"""Atoms times planes of kinks up to which a run from event to event ends within an hour."""
COARSEST_TOLERANCE = 1e-2
TOLERANCE_RATIO = 1e-2


class Refusal(NamedTuple):
    """Why a scheme cannot serve a problem.

    Attributes:
        key: the key that asks for it.
        problem: what is wrong, in words.
        remedy: what to write instead, besides another scheme.
        subject: what the scheme lacks, in one word.
    """

    key: str
    problem: str
    remedy: str = ""
    subject: str = ""


class Refined(NamedTuple):
    """One level of a refinement.

    Attributes:
        refined: what is refined, in a word: "cells", "step", "tolerance".
        resolution: its value.
        solver: the options of the run.
    """

    refined: str
    resolution: float
    solver: Solver


class Reference(NamedTuple):
    """A run that others are held against.

    Attributes:
        words: its scheme and resolution, in words.
        detail: what else is to be said of it.
        solver: the options of the run.
    """

    words: str
    detail: str
    solver: Solver


class SchemeKind:
    """A scheme by its name: everything the program asks before and after a run of it.

    `pair` is all that a subclass must define.

    Attributes:
        name: as `solver.scheme` names it; the decorator sets it.
        Options: the frozen dataclass of its own keys of [solver].
        unshared: those of them that mean this scheme alone, so that it does not take them over from another's run.
        place: its place where schemes are listed; a user's own come last.
        by_default: whether it may be chosen where the user names none.
        oracle: how far its runs are trusted as the reference of others, the largest first; 0 for none.
        knows_dissipation: whether its runs report D = -dF/ds, by which a run until stationary is stopped.
        samples: whether the law is sampled, so that it fluctuates about the mean-field law.
        straight: whether it lays out cells, tables or proximal maps along the axes, which must be straight for it.
        convex: whether its steps need a convex loss of the outputs.
        refines_steps: whether refinement halves its fixed time steps, which save times must not cut.
        less: what to write where memory runs out.
        needs_guide: whether `pair` wants to know where the law goes; otherwise the guide shows the law at t = 0 only.
    """

    name: ClassVar[str] = ""
    Options: ClassVar[type[Any]] = NoOptions
    unshared: ClassVar[tuple[str, ...]] = ()
    place: ClassVar[int] = 100
    by_default: ClassVar[bool] = False
    oracle: ClassVar[int] = 0
    knows_dissipation: bool = False
    samples: ClassVar[bool] = False
    straight: ClassVar[bool] = False
    refines_steps: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    less: ClassVar[str] = "a larger solver.tolerance"
    needs_guide: ClassVar[bool] = True

    @abstractmethod
    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        """The scheme ready to run on this problem, with its coarser companion.

        Args:
            problem: what is learned, in reduced coordinates.
            experiment: the declared options; its tables [solver] and [sgd] (for the seed) are those of a scheme.
            guide: where the law goes, from a cheap run of characteristics without noise.
            box: the part of the reduced space that the guide visits, with a margin.

        Raises:
            ConfigurationError: it cannot be made.
        """
        raise NotImplementedError

    def refusals(self, problem: Problem, experiment: Experiment) -> list[Refusal]:
        """Why it cannot serve this problem; a subclass appends its own reasons to these."""
        spheres = any(axis.unit for axis in problem.geometry.axes)
        straight = self.straight and (spheres or not self.turns(problem))
        words = "log L, whose flow the clock of the loss takes, is not convex"
        clock = [Refusal("time.clock", words, 'clock = "flow"', "the clock of the loss")]
        clock *= self.convex and problem.clock != "flow"
        return [*axes_without(problem, straight), *noisy_blocks(problem), *clock]

    def rehearsal(self) -> Callable[[], object]:
        """A step on a toy, by which another process compiles the kernels of a first run; here they are imported."""
        return lambda: None

    def turns(self, problem: Problem) -> bool:
        """Whether it lays out circles and signs as well, though it lays out cells or tables."""
        del problem
        return False

    def reservations(self, problem: Problem) -> list[str]:
        """Why another scheme would do better where the user names none, in words."""
        del problem
        return []

    def alone(self, experiment: Experiment) -> str:
        """Why no other scheme follows what this one does, in words; empty where others do."""
        return ""

    def guided(self, experiment: Experiment) -> bool:
        """Whether this run of it wants to know where the law goes."""
        del experiment
        return self.needs_guide

    def options(self, solver: Solver) -> Any:
        """Its own options as `Options`."""
        names = names_of(self.Options)
        return self.Options(**{name: value for name, value in solver.options if name in names})

    def mistakes(self, solver: Solver) -> list[str]:
        """What is wrong with its options that no key shows alone: one message each."""
        del solver
        return []

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        """The options at level 0 (the coarsest), 1, 2, ... of a refinement: by default the tolerance falls."""
        tolerance = COARSEST_TOLERANCE * TOLERANCE_RATIO**level
        return Refined("tolerance", tolerance, replace(experiment.solver, tolerance=tolerance))

    def reference(self, problem: Problem, experiment: Experiment, levels: int, refined: bool) -> Reference:
        """What other schemes are held against; only asked where `oracle` is above 0.

        Args:
            problem, experiment: of the refinement, on this scheme.
            levels: number of its levels.
            refined: whether this scheme is among those refined.
        """
        level = self.refined(problem, experiment, levels)
        return Reference(f"{self.name}, {level.refined} = {level.resolution:g}", "", level.solver)


class Unlisted(str):
    """The name of a scheme that was passed as it is, and not registered."""


SCHEMES: Registry[SchemeKind] = Registry("scheme", "mfpde.schemes.kinds", required=("pair",))


def scheme(name: str) -> Callable[[type], type]:
    """A decorator that makes a class with a method `pair` the scheme of this name.

    What the class does not define it takes from `SchemeKind`.

    Raises:
        ValueError: another class has this name.
        TypeError: the class has no method `pair`.
    """

    def keep(item: type) -> type:
        if not issubclass(item, SchemeKind):
            parts = {"__module__": item.__module__, "__qualname__": item.__qualname__, "__doc__": item.__doc__}
            item = type(item.__name__, (item, SchemeKind), parts)
        return SCHEMES.register(name)(item)

    return keep


def scheme_named(scheme: str | SchemeKind) -> SchemeKind:
    """The scheme of this name; one that is made already is returned as it is.

    Raises:
        ConfigurationError: there is none of this name.
    """
    if isinstance(scheme, SchemeKind):
        return scheme
    if scheme not in SCHEMES:
        names = scheme_names()
        message = f"solver.scheme = {show(scheme)}: no such scheme; did you mean {nearest(scheme, names)}?"
        raise ConfigurationError([f"{message} Write one of {', '.join(names)}"])
    return SCHEMES[scheme]()


def scheme_names() -> tuple[str, ...]:
    """Every scheme, in the order in which they are listed."""
    return tuple(sorted(SCHEMES.names(), key=lambda name: SCHEMES[name].place))


def too_many_meetings(problem: Problem, atoms: int) -> list[Refusal]:
    """The refusal of atoms that would meet kinks without end: each meeting is a step of all."""
    planes = 0 if problem.kinks is None else len(problem.kinks.offsets)
    if atoms * planes <= MOST_MEETINGS:
        return []
    words = f"{atoms} atoms meet the {planes} planes where units bend one by one, more than {MOST_MEETINGS} times"
    return [
        Refusal(
            "network.activation", words, f"at most {MOST_MEETINGS // planes} atoms, or a smooth activation", "kinks"
        )
    ]


def noisy(problem: Problem) -> bool:
    """Whether the dynamics has noise."""
    return problem.flow.inverse_temperature < float("inf")


def axes_without(problem: Problem, straight: bool) -> list[Refusal]:
    """The refusals of coordinates along which a term of the flow, or a `straight` discretisation, has no meaning."""
    geometry, ridge = problem.geometry, problem.flow.decay.largest > 0.0
    noise = [Refusal("dynamics.inverse_temperature", text) for text in geometry.refusals(noise=noisy(problem))]
    confined = [Refusal("dynamics.ridge", text) for text in geometry.refusals(ridge=ridge)]
    laid_out = [Refusal("data.law", text) for text in geometry.refusals(straight=straight)]
    return noise + confined + laid_out


def too_many_labels(problem: Problem) -> list[Refusal]:
    """The refusal of panels in more labels of rho_0 than memory holds."""
    labels = problem.initial_law.spread
    if labels <= MOST_LABELS:
        return []
    words = f"panels of {labels} labels of rho_0 take 10^{labels} atoms"
    return [Refusal("solver.scheme", words, "initial.points", "so many labels")]


def noisy_blocks(problem: Problem) -> list[Refusal]:
    """The refusal of noise in blocks so large that no scheme was seen to resolve it."""
    largest = max((axis.dimension for axis in problem.geometry.axes if axis.dimension < float("inf")), default=0.0)
    if not (noisy(problem) and largest > LARGEST_NOISY_BLOCK):
        return []
    words = f"noise is not resolved yet in blocks above {LARGEST_NOISY_BLOCK}"
    return [Refusal("data.dims", words, "smaller dims or inverse_temperature = inf", "noise in large blocks")]
