"""A problem: what is learned, reduced by symmetry to an objective on a few coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.problem.directions import met
from mfpde.problem.initial.law import InitialLaw
from mfpde.problem.initial.points import points_of
from mfpde.problem.laws.interface import DataLaw
from mfpde.problem.network import Network, Unit
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import BY_LOSS, Flow
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.measure import Measure

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.reduction.block_pairs import BlockPairs
    from mfpde.solvers.objective.kinks import Kinks
    from mfpde.solvers.objective.objective import FeatureMap, Objective
    from mfpde.solvers.objective.representation import Effort, Expansion, Form, ReducedObjective

ACCURACY = 1e-10
"""Error of U asked for where Psi or a risk is asked of the problem itself."""
START_TOLERANCE = 1e-9
"""Of f_0 where it is subtracted, as a part of the risk."""
MARGIN = 1e-2
"""Least distance of the ends of a box from the points it is laid about."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A data law, a network, an initial law and a flow: everything a scheme is built from.

    Attributes:
        data: the data law, with its options, as the network meets it.
        network: the activation, and which parameters besides w there are and move.
        initial: the law's own options of the initial law (its defaults where None), or an `InitialLaw` in the reduced
            coordinates.
        flow: ridge, noise, birth and death, schedule; at a scale alpha of the network it is slowed by alpha^2, so that
            neurons move as the scaled outputs pull them, over alpha.
        resting: coordinates that stay where they start, whatever pulls at them.
        clock: "flow", or "loss" for the flow in ds = L dt, which is that of log L.
    """

    data: DataLaw
    network: Network = field(default_factory=Network)
    initial: Any = None
    flow: Flow = field(default_factory=Flow)
    resting: tuple[str, ...] = ()
    clock: str = "flow"

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", met(self.data, self.network))
        scale = self.network.scale if "scale" in self.data.network_keys else 1.0
        object.__setattr__(self, "flow", self.data.flow(self.flow).at_scale(scale))

    @cached_property
    def from_start(self) -> Problem:
        """The flow from rho_0 alone, which keeps what the start keeps: see `DataLaw.resting`."""
        known = not isinstance(self.initial, InitialLaw)
        resting = self.data.resting(self.unit, self.options) if known else ()
        return replace(self, resting=resting) if resting else self

    @cached_property
    def options(self) -> Any:
        """The law's own options of [initial]."""
        return self.data.Initial() if self.initial is None or isinstance(self.initial, InitialLaw) else self.initial

    @cached_property
    def unit(self) -> Unit:
        """What the data law averages over its symmetries."""
        return self.data.unit(self.network, self.options)

    @cached_property
    def geometry(self) -> Geometry:
        """The reduced coordinates, as fast as the flow moves them."""
        whole, mobility = self.data.space(self.unit), self.flow.mobility
        heads = self.unit.coordinates if self.data.network_keys else ()
        own = (mobility.w,) * (whole.dimension - len(heads))
        factors = (*own, *(getattr(mobility, head.name) for head in heads))
        moves = zip(whole.names, factors, strict=True)
        return whole.slowed([0.0 if name in self.resting else factor for name, factor in moves])

    @cached_property
    def initial_law(self) -> InitialLaw:
        """rho_0 in the reduced coordinates."""
        if isinstance(self.initial, InitialLaw):
            return self.initial
        points = points_of(self.options)
        if points is not None:
            return self.data.point_start(points, self.unit, self.flow.free)
        heads = self.unit.coordinates if self.data.network_keys else ()
        return self.data.start(self.options, [head.marginal for head in heads])

    @cached_property
    def exact_pairs(self) -> BlockPairs | None:
        """The exact interaction of two neurons, None where features are the best there is."""
        return None if self.centred else self.data.exact_pairs(self.unit)

    def frozen_problems(self, words: str) -> list[str]:
        """The refusal of the first coordinate that does not move, in words that say what needs another law of it."""
        trained = dict(zip("ab", self.network.trained, strict=True))
        keys = {"a": "coefficients", "b": "offsets"}
        signs = [name for name, axis in zip(self.geometry.names, self.geometry.axes, strict=True) if axis.discrete]
        for name in [] if signs and self.flow.free else self.geometry.frozen[:1]:
            head = name if self.data.network_keys and name in keys else "w"
            if head in keys and not trained[head]:
                remedy = f'write a number, or {keys[head]} = "trained" in [network]'
                return [f"initial.{head}: a fixed random law; {words}; {remedy}"]
            if getattr(self.flow.mobility, head) == 0.0:
                return [f"dynamics.mobility.{head} = 0: {name} keeps its law; {words}; write a number above 0"]
            return [f"data.law: {name} does not move; {words}; write another law"]
        return []

    @cached_property
    def kinks(self) -> Kinks | None:
        """The planes across which Psi bends; None where it is smooth, or its features are no units themselves."""
        from mfpde.solvers.objective.kinks import kinks_of

        if not self.data.explicit:
            return None
        # f_0 bends nothing, and its atoms take long
        plain = replace(self, network=replace(self.network, centred=False))
        return kinks_of(plain.objective_about(np.zeros((1, self.geometry.dimension))).features)

    @cached_property
    def _coefficient(self) -> int | None:
        """The coordinate that multiplies the features: a, or a sign in its place."""
        signs = [place for place, axis in enumerate(self.geometry.axes) if axis.discrete]
        own = self.data.network_keys and self.unit.has_coefficient
        return signs[0] if signs else self.geometry.names.index("a") if own else None

    @property
    def centred(self) -> bool:
        """Whether f_0 is subtracted."""
        return self.network.centred and "centred" in self.data.network_keys

    def kept_mass(self, asked: str) -> list[str]:
        """Why what is asked of probability laws has no answer where the mass is free, in at most one message."""
        if not self.flow.free:
            return []
        of_law = self.data.growth is not None
        key, remedy = self.data.freed if of_law else ("dynamics.mass: free", 'mass = "probability"')
        return [f"{key}, and {asked} asked of probability laws only; write {remedy}"]

    def reduced(self, asked: str) -> list[str]:
        """Why what is asked of features has no answer where there are none, in at most one message."""
        if not self.data.neurons_only:
            return []
        words = f'"{self.data.name}" has no reduced coordinates, and {asked} found in these'
        return [f"data.law: {words}; write another law, or follow `mfpde solve`"]

    def represent(
        self, form: Form, box: Box, accuracy: float, beside: ReducedObjective | None = None
    ) -> ReducedObjective:
        """The objective on a box of the reduced space in the form that a scheme asks for, at an accuracy of U.

        With `beside`, one of this accuracy, others that share no error with it.
        """
        from mfpde.solvers.objective.representation import represent

        near = self.data.guide_box(box) if form == "guide" else box
        made = represent(self._expand, near, accuracy, form, self._coefficient, beside)
        made = self._centred(made) if self.centred else made
        return made.of_logarithm() if self.clock == BY_LOSS else made

    def objective_about(self, *points: Array, accuracy: float = ACCURACY) -> Objective:
        """The objective on a box that holds all these points, each of shape (n, D), with U accurate to `accuracy`."""
        every = np.vstack(points)
        lower, upper = every.min(axis=0), every.max(axis=0)
        margin = np.maximum(0.05 * (upper - lower), MARGIN)
        box = Box(np.maximum(lower - margin, self.geometry.lower_bounds), upper + margin)
        return self.represent("exact", box, accuracy).objective

    def risk(self, law: Measure) -> float:
        """R of a law on the reduced coordinates; for any loss but the square one the mean loss."""
        objective = self.objective_about(law.points)
        return objective.risk(law.outputs(objective.features))

    def psi(self, points: Array, law: Measure) -> Array:
        """Psi(z; rho) at points of shape (n, D), shape (n,), without ridge and noise."""
        objective = self.objective_about(points, law.points)
        return objective.psi(points, law.outputs(objective.features))

    def psi_gradient(self, points: Array, law: Measure) -> Array:
        """grad Psi(z; rho), shape (n, D), one-sided where a coordinate sits on its bound."""
        objective = self.objective_about(points, law.points)
        slope = objective.loss_gradient(law.outputs(objective.features))
        return objective.features.contract(points, slope)[1]

    def predict(self, law: Measure, x: Array) -> Array:
        """f(x; rho) at inputs of shape (n, d), shape (n,).

        Raises:
            ConfigurationError: the data law does not know f from its reduced coordinates.
        """
        units = self.data.units_at(self.unit, np.asarray(x, dtype=float))
        if units is None:
            words = f'data.law: what is kept of a neuron of "{self.data.name}" does not tell f at a single x'
            raise ConfigurationError([f'{words}; write law = "dataset", or samples'])
        if self._coefficient is not None:
            units = WithCoefficient(units, self._coefficient)
        return law.outputs(units) - (self._start(units)[0] if self.centred else 0.0)

    @cached_property
    def watches(self) -> Mapping[str, Callable[[Measure], float]]:
        """What is told of a law beside its risk, by name."""
        return self.data.watches(self.unit, self.predict)

    def _centred(self, made: ReducedObjective) -> ReducedObjective:
        """The objective with f_0 subtracted; raises ConfigurationError where its loss does not say how."""
        if not made.objective.loss.quadratic:
            problem = f'network.centred: f_0 is subtracted under the square loss only, not that of "{self.data.name}"'
            raise ConfigurationError([f"{problem}; write centred = false"])
        return made.shifted(self._start)

    def _start(self, features: FeatureMap) -> tuple[Array, Array]:
        """f_0, as outputs of features of any form, and what atoms leave of each."""
        from mfpde.problem.labels import starting_atoms

        law, left = starting_atoms(self.initial_law, features, START_TOLERANCE)
        return law.outputs(features), left

    def _expand(self, box: Box, accuracy: float, effort: Effort) -> Expansion:
        return self.data.features(self.unit, box, accuracy, effort)


def build_problem(experiment: Experiment) -> Problem:
    """The problem an experiment declares, or the one it was made of in Python."""
    clock = experiment.time.clock
    if experiment.problem is not None:
        return experiment.problem if clock == experiment.problem.clock else replace(experiment.problem, clock=clock)
    flow = experiment.dynamics.as_flow(experiment.law.growth)
    return Problem(experiment.data, experiment.network, experiment.initial, flow, clock=clock)
