"""Data laws: what is learned, its options in a configuration, and what its symmetries leave of a neuron.

A data law is a frozen dataclass whose fields are its keys of [data]; its options of [initial] are another one. To add
one, write a file in this folder (or a file of your own for --use):

    @data_law("my-law")
    @dataclass(frozen=True)
    class MyLaw(DataLaw):
        width: float = key(1.0, Number(POSITIVE), "width of the target")
        Initial = MyInitial

        def axes(self): ...
        def start(self, initial, heads): ...
        def features(self, unit, box, accuracy, effort): ...
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from mfpde.keys.declaration import Checked, names_of
from mfpde.problem.initial.points import head_laws, point_law, point_problems
from mfpde.problem.network import Network, Unit, unit_of
from mfpde.solvers.registry import Registry
from mfpde.solvers.space.axis import Axis, Line
from mfpde.solvers.space.geometry import Geometry

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.keys.samples import Samples
    from mfpde.keys.tables import NumberTable
    from mfpde.problem.initial.law import InitialLaw
    from mfpde.problem.initial.points import PointLaw
    from mfpde.problem.marginals import Marginal
    from mfpde.problem.reduction.block_pairs import BlockPairs
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.flow.flow import Flow
    from mfpde.solvers.networks.order_parameters import Committee
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.objective.losses.interface import Pointwise
    from mfpde.solvers.objective.objective import FeatureMap
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.bound import Curvature
    from mfpde.solvers.optimum.circle import CircleLaw
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.measure import Measure

    Predict = Callable[[Measure, Array], Array]

NETWORK_KEYS = names_of(Network)
SQUARE_RISK = "E(y - f)^2"
"""The risk that SGD descends."""


@dataclass(frozen=True)
class NoOptions:
    """A table without keys."""


class DataLaw(Checked):
    """A law of the data (x, y), and the reduction that its symmetries allow.

    The first three methods are what a law must have; the others have defaults, and those that answer None say that
    the law does not offer what they would return.

    Attributes:
        name: in configurations.
        Initial: the frozen dataclass of the law's keys of [initial].
        network_keys: the keys of [network] that the law takes; none where its units are its own.
        begun: values of keys of [data] without default that a file to begin with gives.
        network_defaults: what stands for keys of [network] that are left out, where it is not what they say.
        explicit: whether features are exact everywhere, so that schemes of atoms need not know where the law goes.
        neurons_only: whether there are no features, but a kernel of neurons, of which finitely many are followed.
    """

    table = "data"
    name: ClassVar[str]
    Initial: ClassVar[type[Any]] = NoOptions
    network_keys: ClassVar[tuple[str, ...]] = NETWORK_KEYS
    begun: ClassVar[Mapping[str, object]] = MappingProxyType({})
    network_defaults: ClassVar[Mapping[str, object]] = MappingProxyType({})
    explicit: ClassVar[bool] = False
    neurons_only: ClassVar[bool] = False

    @property
    def risk_name(self) -> str:
        """What the risk is, in words, for axes and files."""
        return SQUARE_RISK

    @property
    def formulas(self) -> tuple[str, ...]:
        """What is learned, by what, and which coordinates are left, in the part of TeX that matplotlib reads."""
        return ()

    @property
    def growth(self) -> float | None:
        """The growth that the law implies where its neurons have free mass; None where they have it only if asked."""
        return None

    def of_network(self, network: Network) -> DataLaw:
        """The law as a network meets it: one whose targets or coordinates depend on that says how."""
        return self

    @property
    def freed(self) -> tuple[str, str]:
        """Why masses are free where the law implies it, and what to write to have them kept."""
        return f'data.law: that of "{self.name}" is free', "another data law"

    @property
    def declared(self) -> DataLaw:
        """The law as [data] says it."""
        return self

    def flow(self, flow: Flow) -> Flow:
        """What the flow of neurons is in the law's coordinates."""
        return flow

    def point_start(self, points: NumberTable, unit: Unit, free: bool) -> PointLaw:
        """rho_0 of given atoms; raises ValueError where they are none of it."""
        return point_law(points, self, unit, free)

    def point_problems(self, network: Network, initial: Any) -> list[str]:
        """What is wrong with the columns and numbers of given atoms."""
        return point_problems(self, network, initial)

    @abstractmethod
    def axes(self) -> Mapping[str, Axis]:
        """The reduced coordinates of w, by name."""

    @abstractmethod
    def start(self, initial: Any, heads: Sequence[Marginal | float]) -> InitialLaw:
        """rho_0 in the reduced coordinates: those of w, then `heads`, the laws of a and b as far as they vary."""

    @abstractmethod
    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        """Raw features of the unit (without its coefficient) with U accurate to `accuracy` on the box."""

    def unit(self, network: Network, initial: Any) -> Unit:
        """What is averaged over the symmetries: the network's activation with constant heads folded in."""
        return unit_of(network, *head_laws(initial))

    def space(self, unit: Unit) -> Geometry:
        """The reduced coordinates: those of w, then a and b as far as they vary."""
        axes, heads = self.axes(), unit.coordinates if self.network_keys else ()
        frozen = [head.name for head in heads if not head.trained]
        frozen += [name for name, axis in axes.items() if axis.discrete]
        return Geometry.of({**axes, **{head.name: Line() for head in heads}}, frozen)

    def problems(self, experiment: Experiment) -> list[str]:
        """What is wrong with an experiment on this law that no table shows alone."""
        return []

    def remarks(self, unit: Unit, initial: Any) -> Mapping[str, str | int | float]:
        """What a run should know of this start: attributes of its file, and under "note" a sentence for the screen."""
        return {}

    def resting(self, unit: Unit, initial: Any) -> tuple[str, ...]:
        """The coordinates along which nothing that starts so ever moves: rounding does not move it either."""
        return ()

    def confines(self, unit: Unit) -> bool:
        """Whether the law is kept from spreading under noise without a ridge, by its axes or by the risk."""
        return self.space(unit).bounded

    def guide_box(self, box: Box) -> Box:
        """The part of a box that neurons can spread to, where a guide looks for them."""
        return box

    @property
    def dimension(self) -> float:
        """d of x; NaN where it means nothing, math.inf in a limit."""
        return math.nan

    def sampler(self) -> Any:
        """How SGD, which descends E (y - f)^2, draws (x, y) and where its neurons live; None where it cannot.

        A `mfpde.solvers.sgd.samplers.Sampler`, or any object with `dimension` (d), `draw(count, generator) -> (x, y)`
        and, where the reduced coordinates are not w itself, `embed(points, generator) -> w` and `reduce(w) -> points`.
        """
        return None

    def population(self, sampler: Any, activation: Activation) -> Population | None:
        """Exact E (y - f)^2 of a finite network on what the sampler draws, with its gradient; None to measure them."""
        return None

    @property
    def recedes(self) -> bool:
        """Whether the loss falls for ever in some direction of the outputs."""
        return False

    @property
    def pointwise(self) -> Pointwise | None:
        """l of one output, which SGD descends; None for (f - y)^2 / 2."""
        return None

    @property
    def sampler_refusal(self) -> str:
        """Why there is no sampler, and what to write instead."""
        offering = ", ".join(f'"{name}"' for name in LAWS.names() if LAWS[name].sampler is not DataLaw.sampler)
        return f'data.law: SGD needs samples, which "{self.name}" does not draw; write law = {offering}'

    def units_at(self, unit: Unit, x: Array) -> FeatureMap | None:
        """The outputs of units at inputs x, shape (n, d), as features; None where reduced coordinates do not tell."""
        return None

    def inputs_of(self, samples: Samples) -> Array:
        """The inputs that a file of samples tells, shape (n, d); raises ValueError for clouds where there are none."""
        if samples.cloud is not None:
            raise ValueError("its column cloud is of clouds of points, which this problem does not have")
        return samples.x

    def worth(self, y: Array, weights: Array, outputs: Array) -> dict[str, float]:
        """The "risk" of outputs for targets with weights that sum to 1, and the "accuracy" where there are classes."""
        return {}

    def watches(self, unit: Unit, predict: Predict) -> Mapping[str, Callable[[Measure], float]]:
        """What is told of a law of neurons beside the risk, by the names of `mfpde.results.files.watched`.

        Args:
            predict: f(x; rho) of a law and inputs.
        """
        return {}

    def committee(self, unit: Unit) -> Committee | str:
        """Units and teachers with one closed pair moment, or why there are none, in words."""
        offering = ", ".join(f'"{name}"' for name in LAWS.names() if LAWS[name].committee is not DataLaw.committee)
        return f'the law "{self.name}" does not close in order parameters; write neurons = "law", or law = {offering}'

    def dimension_problems(self, dimension: int) -> list[str]:
        """Why the law does not exist in another dimension of x."""
        return [f'the data law "{self.name}" has no dimension to vary; write a data.law that has one']

    def in_dimension(self, dimension: int) -> DataLaw:
        """The law of the same shares in another dimension of x."""
        raise NotImplementedError(f"the data law {self.name!r} has no dimension to vary")

    def represented(self, unit: Unit) -> Array | None:
        """Neurons of equal weight, whole, whose mean is the target, shape (K, D); None where none are known."""
        return None

    def exact_pairs(self, unit: Unit) -> BlockPairs | None:
        """The exact U and V of two neurons."""
        return None

    def curvature(self, unit: Unit, positions: Array, weights: Array, outputs: Array, risk: float) -> Curvature | None:
        """Bounds of the derivatives of Psi of the law of these atoms, from which the optimum is certified.

        `risk` is |grad L|^2, the square of what |Psi| is at most for features of norm 1: the risk for the square loss.
        """
        return None

    def circle(self, unit: Unit) -> CircleLaw | None:
        """The kernel of two angles and the teachers, where neurons are signed masses on a circle and it is known."""
        return None

    def bend(self, unit: Unit, gradient: Array) -> float | None:
        """A bound of |d^2 <phi, g> / dz^2| on the only coordinate beside a sign, from which optima are certified.

        Args:
            gradient: g, shape (M,), of the features that effort "finest" makes.
        """
        return None


@dataclass(frozen=True)
class LawWithin(DataLaw):
    """Another form of a law, under its name and with its options of [initial].

    Attributes:
        inner: the law.
    """

    inner: DataLaw

    def __post_init__(self) -> None:
        """Nothing to read: the law within has been."""

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.inner.name

    @property
    def Initial(self) -> type[Any]:  # type: ignore[override]
        return self.inner.Initial

    @property
    def declared(self) -> DataLaw:
        return self.inner.declared

    @property
    def formulas(self) -> tuple[str, ...]:
        return self.inner.formulas

    @property
    def dimension(self) -> float:
        return self.inner.dimension


LAWS: Registry[DataLaw] = Registry("data law", "mfpde.problem.laws", required=("axes", "start", "features"))


def data_law(name: str) -> Callable[[type[DataLaw]], type[DataLaw]]:
    """The decorator of a law's class, a frozen dataclass that derives from `DataLaw`.

    Raises:
        ValueError: another law has this name.
        TypeError: the class is no frozen dataclass, or lacks axes(), start() or features().
    """

    def keep(law: type[DataLaw]) -> type[DataLaw]:
        options = {"the data law": law, "its Initial of": getattr(law, "Initial", NoOptions)}
        for words, table in options.items():
            if not (is_dataclass(table) and table.__dataclass_params__.frozen):  # type: ignore[attr-defined]
                raise TypeError(
                    f"{words} {name!r} is no frozen dataclass: write @dataclass(frozen=True) below @data_law"
                )
        return LAWS.register(name)(law)

    return keep


DEFAULT = "gaussian-mixture"
"""The law of a [data] table that names none."""
