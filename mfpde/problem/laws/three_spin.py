"""The spherical 3-spin: y = (1/d) sum_pqr A_pqr x_p x_q x_r with x uniform on S^(d-1)(sqrt d).

A breaks every symmetry: nothing is reduced, the coordinates of a neuron are w1, ..., wd (and a, b), and the law of
neurons is followed by finitely many of them. Their risk is exact (`solvers.harmonics`): no sample of x enters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Integer, Number
from mfpde.keys.reader import POSITIVE_SIZE, SIZE, TableReader, one_line
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, head_laws, in_place_of
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.finite_data import drawn, samples_key, seed_key
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.marginals import Marginal, Normal
from mfpde.problem.network import Network, Unit
from mfpde.solvers.space.axis import Axis, Line

if TYPE_CHECKING:
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.harmonics.spins import SpinTarget
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.objective.objective import FeatureMap
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.space.box import Box

MOST = 100
"""d up to which a tensor is small: 8 MB."""
ROUNDING = 1e-14


@dataclass(frozen=True)
class Keyed:
    """A of independent standard normal numbers: Generator(Philox(key)).standard_normal((d, d, d))."""

    key: int

    def entries(self, dimension: int) -> NDArray[np.float64]:
        """A."""
        return _drawn_tensor(self.key, dimension)


@cache
def _drawn_tensor(key: int, dimension: int) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal((dimension,) * 3)


@dataclass(frozen=True)
class Stored:
    """A of a file, known by its content."""

    path: str = field(compare=False)
    digest: str
    array: NDArray[np.float64] = field(compare=False, repr=False)

    def entries(self, dimension: int) -> NDArray[np.float64]:
        """A."""
        del dimension
        return self.array


@dataclass(frozen=True)
class TensorKey(TableKey):
    """{ key = k }, or the path of an NPY file; its digest stands beside it in what is written again."""

    FORM = "an NPY file of shape (d, d, d)"
    EXAMPLE = "tensor.npy"

    @property
    def accepted(self) -> str:
        return f'{{ key = k }}, a key of NumPy\'s Philox, or the path of {self.FORM}, "{self.EXAMPLE}"'

    def read(self, reader: TableReader, name: str, default: Any) -> Any:
        value = reader.raw(name)
        if isinstance(value, Mapping) and "file" not in value:
            table = TableReader(reader.dotted(name), value, ("key",), reader.errors)
            return Keyed(table.integer("key", default.key, 0, 2**31 - 1))
        return super().read(reader, name, default) or default

    def plain(self, value: Any) -> object:
        return {"key": value.key} if isinstance(value, Keyed) else super().plain(value)

    def load(self, path: Path, errors: list[str]) -> Stored | None:
        where = one_line(str(path))
        try:
            raw = path.read_bytes()
            array = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
        except OSError as error:
            errors.append(f"{where}: cannot be read ({error.strerror or error}); write the path of {self.FORM}")
            return None
        except (ValueError, TypeError, EOFError) as error:
            errors.append(f"{where}: is no array of numbers ({error}); write it by numpy.save(path, A)")
            return None
        if array.ndim != 3 or len(set(array.shape)) != 1 or not (2 <= len(array) <= MOST):
            errors.append(f"{where}: has the shape {array.shape}; write (d, d, d) with d from 2 to {MOST}")
            return None
        if not (np.all(np.abs(array) <= SIZE.high) and np.any(array)):
            errors.append(f"{where}: missing or huge numbers, or none but 0; write numbers {SIZE}")
            return None
        return Stored(str(path), hashlib.sha256(raw).hexdigest(), array)


@dataclass(frozen=True)
class SpinInitial(Checked):
    """The law of a neuron at t = 0."""

    table = "initial"

    kappa: float = key(1.0, Number(POSITIVE_SIZE), "w ~ N(0, kappa^2 Id / d)")
    a: float | Marginal = key(Normal(0.0, 1.0), LawOf(), "the coefficients, a constant or a law")
    b: float | Marginal = key(0.0, LawOf(), "the offsets, likewise")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> SpinInitial:
        """Points in place of the others."""
        return in_place_of(self, reader, ("kappa", "a", "b"))

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return ("kappa", "a", "b") if name == "points" else ("points",)

    @property
    def settings(self) -> SpinInitial:
        """What of it the stationary laws depend on: constants that are part of the unit."""
        a, b = head_laws(self)
        return replace(SpinInitial(), a=a, b=b)


@LAWS.register("three-spin")
@dataclass(frozen=True)
class ThreeSpin(DataLaw):
    """A cubic form on the sphere, which units see by its harmonics of degree 3 and 1."""

    dim: int = key(25, Integer(2, MOST), "d, the dimension of x")
    tensor: Keyed | Stored = key(Keyed(2026), TensorKey(), "A of (1/d) sum A_pqr x_p x_q x_r")
    samples: int | None = samples_key()
    sample_seed: int = seed_key()

    Initial = SpinInitial
    network_defaults: ClassVar[Mapping[str, object]] = {
        "activation": "sigmoid",
        "coefficients": "trained",
        "offsets": "trained",
    }
    explicit: ClassVar[bool] = True
    neurons_only: ClassVar[bool] = True

    def settled(self, reader: TableReader) -> ThreeSpin:
        """A tensor of the dimension."""
        if isinstance(self.tensor, Keyed) or len(self.tensor.array) == self.dim:
            return self
        size = len(self.tensor.array)
        if reader.has("dim"):
            reader.complain("dim", f"{self.dim}, but the tensor has d = {size}", f"{size}")
        return replace(self, dim=size)

    @property
    def formulas(self) -> tuple[str, ...]:
        return (
            r"x \sim \mathrm{Unif}\, S^{d-1}(\sqrt{d}),\qquad y = \frac{1}{d} \sum_{pqr} A_{pqr}\, x_p x_q x_r",
            r"f(x;\rho) = \int a\,\sigma(\langle w, x\rangle + b)\,\rho(dz)",
        )

    @property
    def dimension(self) -> float:
        return float(self.dim)

    @property
    def target(self) -> SpinTarget:
        """y."""
        return _target(self.tensor, self.dim)

    def of_network(self, network: Network) -> DataLaw:
        return drawn(self, self.samples, self.sample_seed)

    def axes(self) -> Mapping[str, Axis]:
        return {f"w{place}": Line() for place in range(1, self.dim + 1)}

    def start(self, initial: SpinInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        scale = initial.kappa / math.sqrt(self.dim)
        return product_law([*(Normal(0.0, scale) for _ in range(self.dim)), *heads])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.solvers.harmonics.kernel import SphereKernel
        from mfpde.solvers.objective.representation import Expansion

        kernel = SphereKernel(unit.activation, self.target, unit.has_offset)
        return Expansion(kernel.objective, ROUNDING, "harmonics of the sphere", explicit=True, gap=kernel.left)

    def units_at(self, unit: Unit, x: Array) -> FeatureMap:
        from mfpde.solvers.networks.samples.outputs import SampleFeatures

        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(f"inputs of shape {x.shape}: write x of shape (n, {self.dim})")
        return SampleFeatures(x, unit.activation, unit.has_offset)

    def sampler(self) -> Any:
        from mfpde.solvers.sgd.samplers import Projections
        from mfpde.solvers.sgd.sources.spherical import SphericalInputs

        target = self.target
        return SphericalInputs(Projections.of(self.dim, self.dim, target.values), target.values)

    def population(self, sampler: Any, activation: Activation) -> Population:
        from mfpde.solvers.networks.spherical import SphericalPopulation

        return SphericalPopulation(activation, self.target)

    def remarks(self, unit: Unit, initial: SpinInitial) -> Mapping[str, str | int | float]:
        words = f"the tensor has no symmetry: nothing is reduced, neurons are followed in all {self.dim} dimensions"
        return {"second_moment": self.target.second_moment, "great_circles": self.dim, "note": words}

    def dimension_problems(self, dimension: int) -> list[str]:
        if isinstance(self.tensor, Stored):
            return ["the tensor of a file has one dimension; write tensor = { key = 2026 }"]
        return [] if 2 <= dimension <= MOST else [f"outside 2 to {MOST}; write a dimension in between"]

    def in_dimension(self, dimension: int) -> ThreeSpin:
        return replace(self, dim=dimension)


@cache
def _target(tensor: Keyed | Stored, dimension: int) -> SpinTarget:
    from mfpde.solvers.harmonics.spins import SpinTarget

    return SpinTarget(tensor.entries(dimension))
