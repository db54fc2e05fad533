"""Multi-index target: x ~ N(0, Id_d), y = sum_k c_k g_k(<u_k, x>) + noise with K <= 3 orthonormal directions u_k.

The reduced coordinates are w_k = <u_k, w> and the length of what w has across all of them. With all weights equal and
one g this is a *committee* of K teachers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Kind, Number, Numbers
from mfpde.keys.reader import NON_NEGATIVE_SIZE, POSITIVE_SIZE, SIZE, TableReader
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem import targets
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, head_laws, in_place_of
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.finite_data import drawn, samples_key, seed_key
from mfpde.problem.laws.gaussian_mixture import MAXIMUM_DIMENSION
from mfpde.problem.laws.inputs import SPHERE, formula, inputs_key, on_sphere
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.laws.single_index import Dimension
from mfpde.problem.marginals import Marginal, Normal, ScaledChi, settled
from mfpde.problem.network import Network, Unit
from mfpde.solvers.space.axis import Axis, Line, Radius

if TYPE_CHECKING:
    from mfpde.keys.samples import Samples
    from mfpde.problem.reduction.gaussian.pulls import Target
    from mfpde.problem.reduction.spherical.pairs import SphericalTarget
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.networks.order_parameters import Committee
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.normal import Teacher
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.space.box import Box

MOST = 3
"""Directions of a target at most: a neuron has one coordinate more."""
ALONG = ("w1", "w2", "w3")
LAWS_OF_W = ("kappa", *ALONG, "a", "b")
CONSTANT = 1e-12
"""Variance of y, relative to its second moment, that is rounding."""


@dataclass(frozen=True)
class Targets(Kind):
    """A target for all directions, or a list of them; in Python a tuple."""

    @property
    def accepted(self) -> str:
        return f"{targets.TargetKey().accepted}; or a list of them, one for each weight"

    def read(self, reader: TableReader, name: str, default: Any) -> Any:
        value = reader.raw(name)
        if not isinstance(value, list | tuple):
            return targets.TargetKey().read(reader, name, default)
        places = tuple(str(place) for place in range(1, len(value) + 1))
        each = TableReader(reader.dotted(name), dict(zip(places, value, strict=True)), places, reader.errors)
        return tuple(targets.TargetKey().read(each, place, "erf") for place in places)

    def plain(self, value: object) -> object:
        one = targets.TargetKey().plain
        return [one(each) for each in value] if isinstance(value, tuple) else one(value)


@dataclass(frozen=True)
class CommitteeInitial(Checked):
    """The law of a neuron at t = 0."""

    table = "initial"

    kappa: float = key(0.8, Number(POSITIVE_SIZE), "w ~ N(0, kappa^2 Id / d)")
    w1: float | Marginal | None = key(None, LawOf(constant=0.1), "<u_1, w> in place of that of kappa")
    w2: float | Marginal | None = key(None, LawOf(constant=0.1), "<u_2, w> likewise")
    w3: float | Marginal | None = key(None, LawOf(constant=0.1), "<u_3, w> likewise")
    a: float | Marginal = key(1.0, LawOf(), "the coefficients, a constant or a law")
    b: float | Marginal = key(0.0, LawOf(), "the offsets, likewise")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> CommitteeInitial:
        """Points in place of the others."""
        return in_place_of(self, reader, LAWS_OF_W)

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return LAWS_OF_W if name == "points" else ("points",)

    @property
    def settings(self) -> CommitteeInitial:
        """What of it the stationary laws depend on: constants that are part of the unit."""
        a, b = head_laws(self)
        return replace(CommitteeInitial(), a=a, b=b)


@LAWS.register("multi-index")
@dataclass(frozen=True)
class MultiIndex(DataLaw):
    """y = sum_k c_k g_k(<u_k, x>) + noise, x of a law without directions, seen along the u_k and across."""

    weights: tuple[float, ...] = key((0.5, 0.5), Numbers(SIZE, "[0.5, 0.5]"), "c_k, at most three")
    target: Any = key("erf", Targets(), "g for all k, or a list of g_k")
    dim: int | str = key(10, Dimension(), 'd, or "infinite" for the limit')
    inputs: str = inputs_key()
    noise: float = key(0.0, Number(NON_NEGATIVE_SIZE), "standard deviation of y - g; the risk includes its square")
    samples: int | Samples | None = samples_key()
    sample_seed: int = seed_key()

    Initial = CommitteeInitial

    def settled(self, reader: TableReader) -> MultiIndex:
        """As many directions as there is room for, a target for each, and something to learn."""
        count, known = reader.count("weights", self.weights), len(reader.errors)
        single = not isinstance(self.target, tuple)
        alike = single or len(self.target) == len(self.weights)
        most = MOST if isinstance(self.dim, str) else min(MOST, self.dim)
        if count > most:
            why = "K <= 3" if most == MOST else f"K <= dim = {self.dim}"
            remedy = f"at most {most}, for example weights = {[round(1.0 / most, 4)] * most}"
            reader.complain("weights", f"{count} directions, but {why}", remedy)
        if count and not (single or len(self.target) == count):
            words = f"{len(self.target)} targets for {count} weights"
            reader.complain("target", words, "one target for each weight, or one for all")
        sphere = int(self.dimension) if self.inputs == SPHERE and not isinstance(self.dim, str) else None
        if not all(targets.moments(each, sphere)[1] < math.inf for each in self.each):
            reader.complain("target", "it has no second moment under the law of x", "one that grows more slowly")
        elif self.each and not self._varies(self.weights if alike else (1.0,) * len(self.target)):
            reader.complain(
                "weights", "y is constant: nothing to learn", "weights and targets that vary, as [0.5, 0.5]"
            )
        if len(reader.errors) == known and alike:
            return self
        stand_in = (0.5,) * min(count, MOST)
        dim = self.dim if isinstance(self.dim, str) else max(self.dim, len(stand_in))
        return replace(self, weights=stand_in, target="erf", dim=dim)

    @property
    def formulas(self) -> tuple[str, ...]:
        teachers = " + ".join(
            rf"({weight:g})\,g(\langle u_{{{k}}}, x\rangle)" for k, weight in enumerate(self.weights, 1)
        )
        return (
            formula(self.spherical) + rf",\qquad y = {teachers} + {self.noise:g}\,\xi,\qquad "
            r"\langle u_j, u_k\rangle = \delta_{jk}",
            r"f(x;\rho) = \int a\,\sigma(\langle w, x\rangle + b)\,\rho(dz),\qquad "
            r"w_k = \langle u_k, w\rangle,\quad w_\perp = |w - \sum_k w_k u_k|",
        )

    def _varies(self, weights: tuple[float, ...]) -> bool:
        """Whether y is no constant; on a sphere of as many dimensions sum_k (x_k^2 - 1) is one."""
        if not self.spherical or len(weights) > self.dimension:
            return _vary(self.each, weights)
        held = self._on_sphere(weights)
        return held.second_moment - held.mean**2 > CONSTANT * held.largest

    def _on_sphere(self, weights: tuple[float, ...]) -> SphericalTarget:
        from mfpde.problem.reduction.spherical.pairs import SphericalTarget

        return SphericalTarget(tuple(map(_teacher, self.each)), weights, self.noise, int(self.dimension))

    @property
    def spherical(self) -> bool:
        """Whether x is on a sphere, of finite dimension: in the limit its law is the Gaussian one."""
        return self.inputs == SPHERE and self.dimension < math.inf

    @property
    def _cones(self) -> bool:
        """Whether y(c x) = c y(x) for c > 0."""
        return all(map(targets.is_cone, self.each))

    @property
    def each(self) -> tuple[Any, ...]:
        """g_1 ... g_K."""
        return self.target if isinstance(self.target, tuple) else (self.target,) * len(self.weights)

    @property
    def dimension(self) -> float:
        return math.inf if isinstance(self.dim, str) else float(self.dim)

    @property
    def _along(self) -> tuple[str, ...]:
        return ALONG[: self.count]

    @property
    def count(self) -> int:
        """K."""
        return len(self.weights)

    @property
    def across(self) -> float:
        """d - K."""
        return self.dimension - self.count

    def of_network(self, network: Network) -> DataLaw:
        return drawn(self, self.samples, self.sample_seed)

    def axes(self) -> Mapping[str, Axis]:
        along: dict[str, Axis] = {name: Line() for name in self._along}
        return {**along, **({"w_perp": Radius(self.across)} if self.across > 0.0 else {})}

    def start(self, initial: CommitteeInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        limit = self.dimension == math.inf
        scale = 0.0 if limit else initial.kappa / math.sqrt(self.dimension)
        given = [getattr(initial, name) for name in self._along]
        along = [(0.0 if limit else Normal(0.0, scale)) if law is None else settled(law) for law in given]
        across: list[Marginal | float] = [initial.kappa if limit else ScaledChi(self.across, scale)]
        return product_law([*along, *across[: int(self.across > 0.0)], *heads])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        """By sections of U; those of cones that learn cones are the same for both laws of x."""
        from mfpde.problem.reduction.gaussian import sections
        from mfpde.problem.reduction.spherical import pairs

        sigma, offset, y = unit.activation, unit.has_offset, self.teachers()
        if self.spherical and not (self._cones and unit.is_cone):
            return pairs.expand(sigma, offset, int(self.dimension), y, box, accuracy, effort)
        return sections.expand(sigma, offset, self.across, y, box, accuracy, effort)

    def teachers(self) -> Target:
        """y as the reduction takes it."""
        from mfpde.problem.reduction.gaussian.pulls import Target

        return Target(tuple(_teacher(target) for target in self.each), self.weights, self.noise)

    def remarks(self, unit: Unit, initial: CommitteeInitial) -> Mapping[str, str | int | float]:
        """Whether neurons of infinite dimension begin and stay at w_1 = ... = w_K = 0."""
        given = initial.points is not None or any(getattr(initial, name) not in (None, 0.0) for name in self._along)
        if self.dimension < math.inf or given:
            return {}
        slope = 1.0
        if not unit.has_offset:
            slope = float(unit.activation.mean(np.array([initial.kappa]), np.zeros(1)).by_offset[0])
        pulls = [c * targets.moments(each)[2] * slope for c, each in zip(self.weights, self.each, strict=True)]
        if not all(abs(pull) < CONSTANT for pull in pulls):
            return {}
        note = "w_k = 0 is invariant: at d = infinity nothing moves along u_k, for E g_k(v) v E sigma'(s G + b) = 0"
        return {"invariant_start": 1, "note": f"{note}; write a finite data.dim, or initial.w1"}

    def resting(self, unit: Unit, initial: CommitteeInitial) -> tuple[str, ...]:
        return self._along if self.remarks(unit, initial) else ()

    def problems(self, experiment: Any) -> list[str]:
        found = []
        if self.dimension == math.inf and math.isfinite(experiment.dynamics.inverse_temperature):
            problem = 'dynamics.inverse_temperature: noise is undefined at data.dim = "infinite"'
            found.append(f"{problem}; write inverse_temperature = inf, or a finite dim")
        for name in ALONG[self.count :]:
            if getattr(experiment.initial, name, None) is not None:
                found.append(f"initial.{name}: there are {self.count} directions; leave it out, or write more weights")
        return found

    def sampler(self) -> Any:
        from mfpde.solvers.sgd.samplers import Projections

        if isinstance(self.dim, str):
            return None
        gaussian = Projections.of(self.dim, self.count, self._value, self.noise)
        return on_sphere(gaussian) if self.spherical else gaussian

    def _value(self, u: Array) -> Array:
        """y without the noise at projections u, shape (n, K)."""
        pairs = enumerate(zip(self.weights, self.each, strict=True))
        return np.asarray(np.sum([c * targets.values(target, u[:, k]) for k, (c, target) in pairs], axis=0))

    def population(self, sampler: Any, activation: Activation) -> Population | None:
        from mfpde.problem.reduction.spherical.networks import population

        teachers = (_teacher(target, c) for target, c in zip(self.each, self.weights, strict=True))
        return population(sampler, activation, tuple(teachers), self.spherical, self._cones)

    def committee(self, unit: Unit) -> Committee | str:
        from mfpde.problem.reduction.gaussian.pulls import multiple
        from mfpde.solvers.networks.order_parameters import Committee

        arc = None if unit.has_offset else unit.activation.arc
        if arc is None:
            return 'order parameters need erf, relu or linear pieces about 0, without offsets; write neurons = "law"'
        if self.spherical and not unit.is_cone:
            return 'order parameters on a sphere need rectifiers; write neurons = "law", or inputs = "gaussian"'
        shares = [
            c * multiple(_teacher(g), unit.activation, False) for c, g in zip(self.weights, self.each, strict=True)
        ]
        if any(math.isnan(share) for share in shares):
            return 'order parameters need targets that are the activation itself; write neurons = "law"'
        return Committee(arc, np.array(shares), self.noise)

    def represented(self, unit: Unit) -> Array | None:
        return targets.as_neurons(list(zip(self.weights, self.each, strict=True)), unit, int(self.dimension))

    @property
    def sampler_refusal(self) -> str:
        return "data.dim: SGD needs a finite dimension; write for example dim = 10"

    def dimension_problems(self, dimension: int) -> list[str]:
        good = self.count <= dimension <= MAXIMUM_DIMENSION
        return [] if good else [f"outside {self.count} to {MAXIMUM_DIMENSION}; write a dimension in between"]

    def in_dimension(self, dimension: int) -> MultiIndex:
        return replace(self, dim=dimension)


def _vary(each: Sequence[Any], weights: Sequence[float]) -> bool:
    """Whether sum_k c_k g_k is no constant."""
    moments, shares = np.array([targets.moments(target) for target in each]), np.array(weights) ** 2
    return bool(shares @ (moments[:, 1] - moments[:, 0] ** 2) > CONSTANT * (shares @ moments[:, 1]))


def _teacher(target: Any, weight: float = 1.0) -> Teacher:
    """A multiple of g."""
    from mfpde.solvers.normal import Teacher

    known = tuple(weight * coefficient for coefficient in targets.hermite(target))
    return Teacher(lambda v: weight * targets.values(target, v), targets.breaks(target), hermite=known)
