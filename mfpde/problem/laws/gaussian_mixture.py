"""Centred Gaussian mixture with isotropic blocks: y = ±1 with probability 1/2, x_j ~ N(0, s_{±,j}^2 Id_{p_j})."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Number, Numbers
from mfpde.keys.reader import NON_NEGATIVE_SIZE, POSITIVE_SIZE, Range, TableReader, as_list, as_number, known_name, show
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, head_laws, in_place_of
from mfpde.problem.initial.radial import gaussian_blocks, radial_law
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.finite_data import drawn, samples_key, seed_key
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.marginals import Marginal, settled
from mfpde.problem.network import Network, Unit
from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.solvers.space.axis import Axis, Radius

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.keys.samples import Samples
    from mfpde.problem.reduction.block_pairs import BlockPairs
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.bound import Curvature
    from mfpde.solvers.space.box import Box

MAXIMUM_DIMENSION = 100_000
INFINITE = "infinite"


@dataclass(frozen=True)
class Scales:
    """A pair [s_plus, s_minus] for each block."""

    @property
    def accepted(self) -> str:
        return f"a list of pairs [s_plus, s_minus], each {POSITIVE_SIZE}"

    def read(self, reader: TableReader, name: str, default: None) -> tuple[tuple[float, float], ...] | None:
        if not reader.has(name):
            return default
        pairs = []
        for item in as_list(reader.raw(name)):
            pair = [as_number(scale) for scale in as_list(item)]
            good = [scale for scale in pair if scale is not None and scale in POSITIVE_SIZE]
            if len(pair) != 2 or len(good) != 2:
                problem = f"{show(item)} is not a pair of scales in [1e-06, 1e+06]"
                reader.complain(name, problem, "for example scales = [[1.8, 0.2], [1.0, 1.0]]")
                return None
            pairs.append((good[0], good[1]))
        if not pairs:
            reader.complain(name, "is empty", "one pair [s_plus, s_minus] per block")
        return tuple(pairs) or None

    def plain(self, value: Sequence[tuple[float, float]]) -> object:
        return [list(pair) for pair in value]


@dataclass(frozen=True)
class Contrast(Number):
    """delta: one number, where a list of them means scales."""

    def read(self, reader: TableReader, name: str, default: float | None) -> float | None:
        found = reader.raw(name)
        values = [as_number(item) for item in found] if isinstance(found, list | tuple) else []
        if not values or not all(value is not None and value in self.interval for value in values):
            return super().read(reader, name, default)
        pairs = [[round(1.0 + value, 12), round(1.0 - value, 12)] for value in values if value is not None]
        problem = "one number, which is for the first block"
        reader.complain(name, problem, f"for several blocks scales = {show(pairs)}, a pair [s_plus, s_minus] for each")
        return default


@dataclass(frozen=True)
class Dims:
    """A list of block dimensions, or "infinite"."""

    @property
    def accepted(self) -> str:
        return f'a list of integers from 1 to {MAXIMUM_DIMENSION}, or "{INFINITE}" (with fractions)'

    def read(self, reader: TableReader, name: str, default: tuple[int, ...]) -> tuple[int, ...] | str:
        if known_name(reader.raw(name), (INFINITE,)):
            return INFINITE
        example = '[60, 260] (that is s0 and d - s0), [40] for one block, or "infinite" with fractions'
        return reader.integers(name, 1, MAXIMUM_DIMENSION, example) or default

    def plain(self, value: tuple[int, ...] | str) -> object:
        return value if isinstance(value, str) else list(value)


@dataclass(frozen=True)
class MixtureInitial(Checked):
    """The law of a neuron at t = 0: of w by `kappa` or by `radius`, of a and b where the network has them."""

    table = "initial"

    kappa: float | None = key(0.8, Number(POSITIVE_SIZE), "w ~ N(0, kappa^2 Id / d); not beside radius")
    radius: float | Marginal | None = key(
        None, LawOf(NON_NEGATIVE_SIZE), "|w| with w = |w| Unif(S^(d-1)), a constant or a law"
    )
    a: float | Marginal = key(1.0, LawOf(), "the coefficients, a constant or a law")
    b: float | Marginal = key(0.0, LawOf(), "the offsets, likewise")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> MixtureInitial:
        """Radius in place of kappa, points in place of all."""
        if self.points is not None:
            return in_place_of(self, reader, ("kappa", "radius", "a", "b"))
        if reader.has("kappa") and reader.has("radius"):
            reader.complain("kappa", "given together with initial.radius", "one of the two")
        return replace(self, kappa=None) if reader.has("radius") else self

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        laws = ("kappa", "radius", "a", "b")
        return {"kappa": ("radius", "points"), "radius": ("kappa", "points"), "points": laws}.get(name, ("points",))

    @property
    def settings(self) -> MixtureInitial:
        """What of it the stationary laws depend on: constants that are part of the unit."""
        a, b = head_laws(self)
        return replace(MixtureInitial(), a=a, b=b)


@LAWS.register("gaussian-mixture")
@dataclass(frozen=True)
class GaussianMixture(DataLaw):
    """Two centred Gaussian classes with isotropic blocks; the reduced coordinates are the norms r_j of w's blocks."""

    delta: float | None = key(
        0.8,
        Contrast(Range(0.0, 1.0, high_open=True)),
        "scales 1 + delta (y = +1) and 1 - delta (y = -1) on the first block, 1 on the others; not beside scales",
    )
    scales: tuple[tuple[float, float], ...] | None = key(None, Scales(), "per block the pair [s_plus, s_minus]")
    dims: tuple[int, ...] | str = key((60, 260), Dims(), 'block dimensions p_j, or "infinite" for the limit')
    fractions: tuple[float, ...] | None = key(
        None, Numbers(Range(0.0, 1.0, low_open=True), "[0.1875, 0.8125]"), "the shares p_j / d in that limit"
    )
    samples: int | Samples | None = samples_key()
    sample_seed: int = seed_key()

    Initial = MixtureInitial

    def settled(self, reader: TableReader) -> GaussianMixture:
        """Scales in place of delta, fractions beside the limit only, and as many scales as blocks."""
        if reader.has("delta") and reader.has("scales"):
            reader.complain("delta", "given together with data.scales", "one of the two")
        law = replace(self, delta=None if self.scales else self.delta, fractions=self._shares(reader))
        if law.scales and len(law.scales) != law.blocks:
            problem = (
                f"has {len(law.scales)} blocks where data.{'fractions' if law.infinite else 'dims'} has {law.blocks}"
            )
            reader.complain("scales", problem, f"{law.blocks} pairs [s_plus, s_minus]")
        return law

    def _shares(self, reader: TableReader) -> tuple[float, ...] | None:
        if not self.infinite:
            if reader.has("fractions"):
                reader.complain("fractions", "needs d = infinity", 'dims = "infinite", or leave fractions out')
            return None
        if not reader.has("fractions"):
            reader.complain("fractions", 'missing beside dims = "infinite"', "the shares p_j / d, which sum to 1")
        if self.fractions and not (abs(sum(self.fractions) - 1.0) <= 1e-9):
            reader.complain("fractions", f"sum to {sum(self.fractions):.12g}", "shares p_j / d that sum to 1")
        return self.fractions or (1.0,)

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        if name == "dims":
            return () if value == INFINITE else ("fractions",)
        return {"delta": ("scales",), "scales": ("delta",)}.get(name, ())

    @property
    def infinite(self) -> bool:
        """Whether d = infinity."""
        return self.dims == INFINITE

    @property
    def sizes(self) -> tuple[int, ...]:
        """The block dimensions p_j, none at d = infinity."""
        return () if isinstance(self.dims, str) else self.dims

    @property
    def blocks(self) -> int:
        """B, the number of isotropic blocks."""
        return len(self.sizes or self.fractions or ())

    @property
    def dimension(self) -> float:
        return math.inf if self.infinite else float(sum(self.sizes))

    @property
    def block_scales(self) -> tuple[tuple[float, float], ...]:
        """(s_plus, s_minus) of every block, whichever way they were given."""
        if self.scales is not None:
            return self.scales
        delta = 0.0 if self.delta is None else self.delta
        return ((1.0 + delta, 1.0 - delta), *[(1.0, 1.0)] * (self.blocks - 1))

    @cached_property
    def mixture(self) -> BlockMixture:
        """The law as its reductions see it."""
        dimensions = tuple(map(float, self.sizes)) or (math.inf,) * self.blocks
        fractions = self.fractions or tuple(p / sum(dimensions) for p in dimensions)
        return BlockMixture(dimensions, self.block_scales, fractions)

    @property
    def formulas(self) -> tuple[str, ...]:
        blocks = r",\ ".join(
            rf"s_{{\pm,{index}}} = {plus:g},\,{minus:g}" for index, (plus, minus) in enumerate(self.block_scales, 1)
        )
        sizes = r",\ ".join(rf"p_{{{index}}} = {size}" for index, size in enumerate(self.sizes, 1))
        return (
            r"y = \pm 1\ \mathrm{with\ probability}\ 1/2,\qquad x \sim \mathcal{N}(0, \Sigma_\pm),\qquad "
            r"\Sigma_\pm = \mathrm{diag}(s_{\pm,1}^2 I_{p_1}, \ldots, s_{\pm,B}^2 I_{p_B})",
            (sizes or r"d = \infty") + r";\qquad " + blocks,
            r"f(x;\rho) = \int a\,\sigma(\langle w, x\rangle + b)\,\rho(dz),\qquad r_j = |w_j|",
        )

    def of_network(self, network: Network) -> DataLaw:
        return drawn(self, self.samples, self.sample_seed)

    def axes(self) -> Mapping[str, Axis]:
        return {f"r{j + 1}": Radius(p) for j, p in enumerate(self.mixture.dimensions)}

    def start(self, initial: MixtureInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        dimensions, fractions = self.mixture.dimensions, self.mixture.fractions
        if initial.kappa is not None:
            return product_law([*gaussian_blocks(initial.kappa, dimensions, fractions), *heads])
        if initial.radius is None:
            raise ValueError("an initial law needs kappa or radius")
        return radial_law(settled(initial.radius), dimensions, fractions, heads)

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.problem.reduction.blocks import expand

        return expand(self.mixture, unit.activation, unit.has_offset, box, accuracy, effort)

    def problems(self, experiment: Experiment) -> list[str]:
        if self.infinite and math.isfinite(experiment.dynamics.inverse_temperature):
            problem = 'dynamics.inverse_temperature: noise is undefined at data.dims = "infinite"'
            return [f"{problem}; write inverse_temperature = inf, or finite dims"]
        return []

    def confines(self, unit: Unit) -> bool:
        """A unit that grows to one side, where nothing cancels it, and whose coefficient and offset do not move."""
        bounds = unit.activation.bounds()
        grows = math.isinf(bounds.low) != math.isinf(bounds.high)
        return grows and not unit.coefficient.trained and not unit.offset.trained

    def sampler(self) -> Any:
        from mfpde.solvers.sgd.samplers import GaussianClasses

        return None if self.infinite else GaussianClasses(self.sizes, self.block_scales)

    def population(self, sampler: Any, activation: Activation) -> Population | None:
        from mfpde.solvers.networks.gradient import GaussianPopulation

        return GaussianPopulation(sampler, activation)

    @property
    def sampler_refusal(self) -> str:
        return "data.dims: SGD needs a finite dimension; write for example dims = [60, 260]"

    def dimension_problems(self, dimension: int) -> list[str]:
        share = math.gcd(*self.sizes)
        unit = sum(self.sizes) // share
        if not (unit <= dimension <= MAXIMUM_DIMENSION):
            return [f"outside {unit} to {MAXIMUM_DIMENSION}; write multiples of {unit}"]
        if dimension % unit:
            below = dimension // unit * unit
            shares = ":".join(str(size // share) for size in self.sizes)
            return [f"blocks in the ratio {shares} need a multiple of {unit}; write {below} or {below + unit}"]
        return []

    def in_dimension(self, dimension: int) -> GaussianMixture:
        whole = sum(self.sizes)
        return replace(self, dims=tuple(size * dimension // whole for size in self.sizes))

    def exact_pairs(self, unit: Unit) -> BlockPairs | None:
        from mfpde.problem.reduction.block_pairs import block_pairs

        return None if unit.has_coefficient or unit.has_offset else block_pairs(unit.activation, self.mixture)

    def curvature(self, unit: Unit, positions: Array, weights: Array, outputs: Array, risk: float) -> Curvature | None:
        from mfpde.problem.reduction.curvature import MixtureCurvature

        bounds = unit.activation.bounds()
        return MixtureCurvature(
            bounds, self.mixture, unit.has_coefficient, unit.has_offset, positions, weights, outputs, risk
        )
