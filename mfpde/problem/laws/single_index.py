"""Single-index target: y = g(<u, x>) + noise with x ~ N(0, Id_d), or uniform on the sphere S^(d-1)(sqrt d).

The reduced coordinates are <u, w> and |w - <u, w> u|.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Number
from mfpde.keys.reader import NON_NEGATIVE_SIZE, POSITIVE_SIZE, TableReader
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem import targets
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, head_laws, in_place_of
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.finite_data import drawn, samples_key, seed_key
from mfpde.problem.laws.gaussian_mixture import INFINITE, MAXIMUM_DIMENSION
from mfpde.problem.laws.inputs import SPHERE, formula, inputs_key, on_sphere
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.marginals import Marginal, Normal, ScaledChi, settled
from mfpde.problem.network import Network, Unit
from mfpde.solvers.space.axis import Axis, Line, Radius

if TYPE_CHECKING:
    from mfpde.keys.samples import Samples
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.normal import Teacher
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.space.box import Box


CONSTANT = 1e-12
"""Variance of the target over its second moment below which it is rounding."""
INVISIBLE = 1e-12
"""What target and unit share in one degree, below which it is rounding."""
POOR = 1e-6
"""Error of U above which moments beside u are too few, as they are in few dimensions, and sections are tried."""
HIGHEST = 12
"""Degree up to which it is looked for."""


@dataclass(frozen=True)
class Dimension:
    """A whole number, or "infinite"."""

    @property
    def accepted(self) -> str:
        return f'an integer from 1 to {MAXIMUM_DIMENSION}, or "{INFINITE}"'

    def read(self, reader: TableReader, name: str, default: int) -> int | str:
        if reader.raw(name) == INFINITE:
            return INFINITE
        return reader.integer(name, default, 1, MAXIMUM_DIMENSION) if reader.has(name) else default

    def plain(self, value: int | str) -> object:
        return value


@dataclass(frozen=True)
class IndexInitial(Checked):
    """The law of a neuron at t = 0."""

    table = "initial"

    kappa: float = key(0.8, Number(POSITIVE_SIZE), "w ~ N(0, kappa^2 Id / d)")
    w_par: float | Marginal | None = key(None, LawOf(constant=0.1), "<u, w> in place of that of kappa")
    a: float | Marginal = key(1.0, LawOf(), "the coefficients, a constant or a law")
    b: float | Marginal = key(0.0, LawOf(), "the offsets, likewise")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> IndexInitial:
        """Points in place of the others."""
        return in_place_of(self, reader, ("kappa", "w_par", "a", "b"))

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return ("kappa", "w_par", "a", "b") if name == "points" else ("points",)

    @property
    def settings(self) -> IndexInitial:
        """What of it the stationary laws depend on: constants that are part of the unit."""
        a, b = head_laws(self)
        return replace(IndexInitial(), a=a, b=b)


@LAWS.register("single-index")
@dataclass(frozen=True)
class SingleIndex(DataLaw):
    """y = g(<u, x>) + noise with x of a law without directions, which units see along u and across it."""

    dim: int | str = key(40, Dimension(), 'd, or "infinite" for the limit')
    target: Any = key("erf", targets.TargetKey(), "g")
    inputs: str = inputs_key()
    noise: float = key(0.0, Number(NON_NEGATIVE_SIZE), "standard deviation of y - g; the risk includes its square")
    samples: int | Samples | None = samples_key()
    sample_seed: int = seed_key()

    Initial = IndexInitial

    def settled(self, reader: TableReader) -> SingleIndex:
        """A target that has a second moment, and something to learn."""
        on = int(self.dimension) if self.spherical else None
        mean, square = targets.moments(self.target, on)[:2]
        if not (square < math.inf):
            reader.complain("target", "it has no second moment under the law of x", "one that grows more slowly")
        elif not (square - mean**2 > CONSTANT * square):
            reader.complain("target", "it is constant: nothing to learn", "one that varies, for example erf")
        else:
            return self
        return replace(self, target="erf")

    @property
    def formulas(self) -> tuple[str, ...]:
        return (
            formula(self.spherical) + rf",\qquad y = g(\langle u, x\rangle) + {self.noise:g}\,\xi,\qquad |u| = 1",
            r"f(x;\rho) = \int a\,\sigma(\langle w, x\rangle + b)\,\rho(dz),\qquad "
            r"w_\parallel = \langle u, w\rangle,\quad w_\perp = |w - w_\parallel u|",
        )

    @property
    def dimension(self) -> float:
        return math.inf if isinstance(self.dim, str) else float(self.dim)

    @property
    def spherical(self) -> bool:
        """Whether x is on a sphere, of finite dimension: in the limit its law is the Gaussian one."""
        return self.inputs == SPHERE and self.dimension < math.inf

    @property
    def across(self) -> float:
        """d - 1."""
        return self.dimension - 1.0

    def of_network(self, network: Network) -> DataLaw:
        return drawn(self, self.samples, self.sample_seed)

    def axes(self) -> Mapping[str, Axis]:
        return {"w_par": Line(), **({"w_perp": Radius(self.across)} if self.across > 0.0 else {})}

    def start(self, initial: IndexInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        if self.dimension == math.inf:
            first: Marginal | float = 0.0
            across: list[Marginal | float] = [initial.kappa]
        else:
            scale = initial.kappa / math.sqrt(self.dimension)
            first, across = Normal(0.0, scale), [ScaledChi(self.across, scale)] if self.across > 0.0 else []
        if initial.w_par is not None:
            first = settled(initial.w_par)
        return product_law([first, *across, *heads])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        """By sections of U where that is a closed form; else by moments beside u, unless d is too small for them.

        On the sphere by degrees. Cones that learn a cone are homogeneous of degree 2 in x together: E |x|^2 = d is all
        that they see of its length, and both laws of x have the same features.
        """
        from mfpde.problem.reduction.gaussian import index, pulls, sections
        from mfpde.problem.reduction.spherical import diagonal

        if self.spherical and not (targets.is_cone(self.target) and unit.is_cone):
            d = int(self.dimension)
            return diagonal.expand(unit.activation, unit.has_offset, d, self.teacher, box, accuracy, effort)
        rest = (self.across, self.teacher, box, accuracy, effort)
        inside = 0.0 < self.across < math.inf
        closed = inside and not unit.has_offset and unit.activation.arc is not None
        found = [] if closed else [index.expand(unit.activation, unit.has_offset, *rest)]
        if closed or (inside and not (found[0].enough <= max(accuracy, POOR))):
            target = pulls.Target((replace(self.teacher, noise=0.0),), (1.0,), self.noise)
            found.append(sections.expand(unit.activation, unit.has_offset, self.across, target, *rest[2:]))
        return min(found, key=lambda made: made.error)

    @property
    def teacher(self) -> Teacher:
        """g and the noise."""
        from mfpde.solvers.normal import Teacher

        known = targets.breaks(self.target), self.noise, targets.hermite(self.target)
        return Teacher(lambda v: targets.values(self.target, v), *known)

    def remarks(self, unit: Unit, initial: IndexInitial) -> Mapping[str, str | int | float]:
        """Whether neurons of infinite dimension begin and stay at w_par = 0, where d_m Psi = O(m^(k-1)).

        k >= 1 is the least degree that the target and the unit have in common: a term of the target that the unit does
        not have moves nothing.
        """
        if self.dimension < math.inf or initial.w_par not in (None, 0.0) or initial.points is not None:
            return {}
        shared = self._shared(unit, initial.kappa)
        if shared and shared[0] == 1:
            return {}
        note = "w_par = 0 is invariant: at d = infinity nothing moves along u"
        if not shared:
            why = f"target and unit share no Hermite polynomial of degree 1 to {HIGHEST}"
            remedy = "it is not learned at any d; write another activation, or offsets"
            return {"invariant_start": 1, "note": f"{note}, for {why}; {remedy}"}
        power = "log d" if shared[0] == 2 else f"d^{(shared[0] - 2) / 2.0:g}"
        why = f"the first Hermite polynomial that target and unit share is that of degree {shared[0]}"
        escape = f"weights of finite d leave in a time of order {power}"
        remedy = "write a finite data.dim, or initial.w_par"
        return {
            "invariant_start": 1,
            "information_exponent": shared[0],
            "note": f"{note}, for {why}; {escape}; {remedy}",
        }

    def _shared(self, unit: Unit, scale: float) -> list[int]:
        """The degrees 1 <= k <= HIGHEST with E[g h_k] E[sigma(scale G) h_k(G)] != 0; with offsets all of g's."""
        from numpy.polynomial.hermite_e import hermeval

        from mfpde.solvers.normal import projected

        seen = np.ones(HIGHEST + 1)
        if not unit.has_offset:
            seen = unit.activation.coefficients(np.array([scale]), np.zeros(1), HIGHEST + 1)[0]
        found = []
        for k, unit_part in enumerate(seen.tolist()):
            one = np.eye(HIGHEST + 1)[k] / math.sqrt(math.factorial(k))
            part = projected(lambda v, one=one: self.teacher(v) * hermeval(v, one), self.teacher.breaks)  # type: ignore[misc]
            if k > 0 and abs(part * unit_part) > INVISIBLE:
                found.append(k)
        return found

    def resting(self, unit: Unit, initial: IndexInitial) -> tuple[str, ...]:
        return ("w_par",) if self.remarks(unit, initial) else ()

    def problems(self, experiment: Any) -> list[str]:
        if self.dimension == math.inf and math.isfinite(experiment.dynamics.inverse_temperature):
            problem = 'dynamics.inverse_temperature: noise is undefined at data.dim = "infinite"'
            return [f"{problem}; write inverse_temperature = inf, or a finite dim"]
        return []

    def sampler(self) -> Any:
        from mfpde.solvers.sgd.samplers import Projections

        if isinstance(self.dim, str):
            return None
        gaussian = Projections.of(self.dim, 1, lambda x: targets.values(self.target, x[:, 0]), self.noise)
        return on_sphere(gaussian) if self.spherical else gaussian

    def population(self, sampler: Any, activation: Activation) -> Population | None:
        from mfpde.problem.reduction.spherical.networks import population

        return population(sampler, activation, (self.teacher,), self.spherical, targets.is_cone(self.target))

    def represented(self, unit: Unit) -> Array | None:
        return targets.as_neurons([(1.0, self.target)], unit, int(self.dimension))

    @property
    def sampler_refusal(self) -> str:
        return "data.dim: SGD needs a finite dimension; write for example dim = 40"

    def dimension_problems(self, dimension: int) -> list[str]:
        good = 1 <= dimension <= MAXIMUM_DIMENSION
        return [] if good else [f"outside 1 to {MAXIMUM_DIMENSION}; write a dimension in between"]

    def in_dimension(self, dimension: int) -> SingleIndex:
        return replace(self, dim=dimension)
