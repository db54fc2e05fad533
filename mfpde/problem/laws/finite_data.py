"""Finite sets of samples, of a file or draws of a law: nothing is reduced, features are the units at the samples."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Integer
from mfpde.keys.reader import TableReader
from mfpde.keys.samples import Samples, SamplesKey
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.laws.interface import DataLaw, LawWithin
from mfpde.problem.marginals import Marginal, Normal, settled
from mfpde.problem.network import Unit
from mfpde.solvers.objective.losses.interface import LOSSES
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.space.axis import Axis, Line

if TYPE_CHECKING:
    from mfpde.problem.laws.interface import Predict
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.objective.losses.interface import Loss, Pointwise
    from mfpde.solvers.objective.objective import FeatureMap
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.bound import Curvature
    from mfpde.solvers.sgd.samplers import Sampler
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.measure import Measure

SQUARE = "square"
SMALLEST = 1e-300
CANCELLED = 1e-12
"""An output that is nothing but rounding."""
DRAWN = 2**32 - 2
"""The stream of the draws that are trained on, which no replica has."""
ALONG = (("w1", "w_par"), ("w2",), ("w3",))
"""What options of [initial] call the law of each of the first coordinates of w."""


class FiniteData(DataLaw):
    """Samples (x_p, y_p) with weights that sum to 1."""

    explicit: ClassVar[bool] = True

    @property
    @abstractmethod
    def training(self) -> tuple[Array, Array, Array]:
        """x of shape (P, d), y and omega of shape (P,), omega summing to 1."""

    @property
    @abstractmethod
    def loss_name(self) -> str:
        """l, by its name."""

    @property
    def held_out(self) -> tuple[Array, Array, Array] | None:
        """The same of samples that are not trained on, if there are some."""
        return None

    def standardised(self, x: Array) -> Array:
        """Inputs as the network takes them, shape (n, d)."""
        return x

    @property
    def risk_name(self) -> str:
        return f"training mean of {'(y - f)^2' if self.loss_name == SQUARE else f'the {self.loss_name} loss'}"

    @property
    def formulas(self) -> tuple[str, ...]:
        return (
            r"L(f) = \sum_p \omega_p\,\ell(f_p, y_p),\qquad "
            r"f_p = \int a\,\sigma(\langle w, x_p\rangle + b)\,\rho(dz),\qquad \sum_p \omega_p = 1",
        )

    @property
    def dimension(self) -> float:
        return float(self.training[0].shape[1])

    def axes(self) -> Mapping[str, Axis]:
        return {f"w{place}": Line() for place in range(1, int(self.dimension) + 1)}

    def start(self, initial: Any, heads: Sequence[Marginal | float]) -> InitialLaw:
        scale = (getattr(initial, "kappa", None) or 0.0) / math.sqrt(self.dimension)
        laws = [[getattr(initial, name, None) for name in names] for names in ALONG]
        given = [next((law for law in each if law is not None), None) for each in laws]
        along = [*given, *[None] * int(self.dimension)][: int(self.dimension)]
        return product_law([*(Normal(0.0, scale) if law is None else settled(law) for law in along), *heads])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.solvers.networks.samples.outputs import SampleFeatures
        from mfpde.solvers.objective.objective import Objective
        from mfpde.solvers.objective.representation import Expansion

        x = self.training[0]
        made = Objective(SampleFeatures(x, unit.activation, unit.has_offset), self.objective_loss)
        return Expansion(made, 0.0, f"units at {len(x)} samples", explicit=True)

    def units_at(self, unit: Unit, x: Array) -> FeatureMap:
        from mfpde.solvers.networks.samples.outputs import SampleFeatures

        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"inputs of shape {x.shape}: write x of shape (n, {self.dimension:g})")
        return SampleFeatures(self.standardised(x), unit.activation, unit.has_offset)

    def worth(self, y: Array, weights: Array, outputs: Array) -> dict[str, float]:
        """An output of 0 is of either class by half."""
        loss = nodal_loss(self.loss_name, weights, y)
        towards = loss.recession
        if towards is None:
            return {"risk": loss.risk(outputs)}
        side = np.where(np.abs(outputs) <= CANCELLED, 0.0, np.sign(towards * outputs))
        return {"risk": loss.risk(outputs), "accuracy": float(weights @ (0.5 + 0.5 * side))}

    def margins(self, unit: Unit, predict: Predict) -> dict[str, Callable[[Measure], float]]:
        """The least output towards its class over two norms of the law, of homogeneous units under such a loss."""
        x, towards = self.raw_inputs, self.objective_loss.recession
        if towards is None or unit.activation.homogeneity != 1.0 or not unit.has_coefficient:
            return {}
        norms = {"margin": partial(_path_norm, unit), "kernel_margin": partial(_output_norm, unit)}

        def told(norm: Callable[[Measure], float], law: Measure) -> float:
            return float((np.sign(towards) * predict(law, x)).min()) / max(norm(law), SMALLEST)

        return {name: partial(told, norm) for name, norm in norms.items()}

    @property
    def raw_inputs(self) -> Array:
        """x before it is standardised, shape (P, d)."""
        return self.training[0]

    @property
    def objective_loss(self) -> Loss:
        """L."""
        _, y, weights = self.training
        return nodal_loss(self.loss_name, weights, y)

    def sampler(self) -> Any:
        from mfpde.solvers.sgd.sources.finite import FiniteSet

        return FiniteSet(*self.training)

    def population(self, sampler: Any, activation: Activation) -> Population:
        from mfpde.solvers.networks.samples.outputs import FinitePopulation

        return FinitePopulation(self.training[0], self.objective_loss, activation)

    @property
    def recedes(self) -> bool:
        return self.objective_loss.recession is not None

    @property
    def pointwise(self) -> Pointwise | None:
        return None if self.loss_name == SQUARE else LOSSES[self.loss_name]()

    def curvature(self, unit: Unit, positions: Array, weights: Array, outputs: Array, risk: float) -> Curvature | None:
        from mfpde.solvers.networks.samples.outputs import SampleCurvature, SampleFeatures

        bounds = unit.activation.bounds()
        if len(bounds.knots) and bounds.variation > 0.0:
            return None
        features = SampleFeatures(self.training[0], unit.activation, unit.has_offset)
        return SampleCurvature(features, bounds, self.objective_loss.gradient(outputs), unit.has_coefficient)

    def remarks(self, unit: Unit, initial: Any) -> Mapping[str, str | int | float]:
        names = [*self.axes(), *(head.name for head in unit.coordinates)]
        shown = names if len(names) <= 4 else [names[0], "...", *names[-3:]]
        words = f"a data set has no symmetry: nothing is reduced, the coordinates are {', '.join(shown)}"
        return {"samples": len(self.training[1]), "note": words}


@dataclass(frozen=True)
class DrawsKey(SamplesKey):
    """How many draws, or a file of what was drawn."""

    @property
    def accepted(self) -> str:
        return f"{COUNT.accepted}, or {super().accepted}"

    def read(self, reader: TableReader, name: str, default: None) -> int | Samples | None:
        if not isinstance(reader.raw(name), str | dict):
            return COUNT.read(reader, name, default)
        found: Samples | None = super().read(reader, name, default)
        return found


COUNT = Integer(2, 10**7, 100)
"""Of draws."""


def _path_norm(unit: Unit, law: Measure) -> float:
    """∫|a| |(w, b)| drho."""
    w, a, b = unit.parted(law.points)
    lengths = np.linalg.norm(np.column_stack([w, b]) if unit.has_offset else w, axis=1)
    return float(law.weights @ (np.abs(a) * lengths))


def _output_norm(unit: Unit, law: Measure) -> float:
    """(∫a^2 drho)^(1/2), that of the kernel's space where the w that a is given to stay as they are."""
    return float(np.sqrt(law.weights @ unit.parted(law.points)[1] ** 2))


def samples_key() -> Any:
    """How many draws of a law are trained on, or which."""
    return key(None, DrawsKey(), "trains on that many fixed draws in place of the law, whose risk is then test_risk")


def seed_key() -> Any:
    """Of those draws."""
    return key(0, Integer(0, 2**31 - 1), "of these draws")


def drawn(law: DataLaw, samples: int | Samples | None, seed: int) -> DataLaw:
    """The law, or fixed draws of it, so many or those of a file."""
    return law if samples is None or law.sampler() is None else Drawn(law, samples, seed)


def undrawn(law: DataLaw) -> list[str]:
    """Why there are no draws of a law that asks for them."""
    asked = isinstance(getattr(law, "samples", None), int | Samples)
    return [f"data.samples: {law.sampler_refusal}; or leave samples out"] if asked and law.sampler() is None else []


@dataclass(frozen=True)
class Drawn(LawWithin, FiniteData):
    """Fixed draws of a law, under the square loss.

    Attributes:
        inner: the law.
        draws, seed: how many, and that of their random numbers; or what was drawn.
    """

    draws: int | Samples
    seed: int

    @property
    def loss_name(self) -> str:
        return SQUARE

    @property
    def training(self) -> tuple[Array, Array, Array]:
        if isinstance(self.draws, Samples):
            return self.draws.x, self.draws.y, self.draws.weights / self.draws.weights.sum()
        x, y = self._sampler.samples(0, self.draws, self.seed, DRAWN)
        return x, y, np.full(self.draws, 1.0 / self.draws)

    def over_law(self, activation: Activation) -> Population | None:
        """The exact risk and gradient of networks over the law itself; None where it is not offered."""
        return self.inner.population(self._sampler, activation)

    def represented(self, unit: Unit) -> Array | None:
        return self.inner.represented(unit)

    @property
    def _sampler(self) -> Sampler:
        from mfpde.solvers.sgd.samplers import sampler_of

        sampler = sampler_of(self.inner.sampler())
        assert sampler is not None, "refused where the law draws no samples"
        return sampler

    def watches(self, unit: Unit, predict: Predict) -> Mapping[str, Callable[[Measure], float]]:
        """The risk over the law itself: exact, or measured where it is not offered."""
        from mfpde.solvers.networks.population import SampledPopulation

        exact = self.over_law(unit.activation)
        population = SampledPopulation(self._sampler, unit.activation, self.seed) if exact is None else exact

        def risk(law: Measure) -> float:
            w, a, b = unit.parted(law.points)
            a = a if unit.has_coefficient else np.ones(len(a))
            b = b if unit.has_offset else np.zeros(len(b))
            return population.risk(w, len(a) * law.weights * a, b)

        return {"test_risk": risk}

    def problems(self, experiment: Any) -> list[str]:
        known = {name for names in ALONG for name in names} | {"kappa", "a", "b", "points"}
        initial = experiment.initial
        others = [name for name, value in vars(initial).items() if name not in known and value not in (None, False)]
        errors = [
            f"initial.{name}: draws have no symmetry, by which neurons would be known by it; write kappa, or points"
            for name in others
        ]
        found = self.draws.x.shape[1] if isinstance(self.draws, Samples) else self.inner.dimension
        if found != self.inner.dimension or (isinstance(self.draws, Samples) and self.draws.cloud is not None):
            words = f"x has {found} coordinates, the law {self.inner.dimension:g}"
            errors.append(f"data.samples: {words}; write a file with x1, ..., x{self.inner.dimension:g} and y")
        if experiment.network.centred:
            errors.append("network.centred: the population risk of f - f_0 is not told; write centred = false")
        return errors

    def dimension_problems(self, dimension: int) -> list[str]:
        return self.inner.dimension_problems(dimension)
