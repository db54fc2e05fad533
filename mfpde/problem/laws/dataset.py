"""A finite set of samples (x_p, y_p) with weights omega_p that sum to 1: nothing is reduced, a neuron is (w[, a][, b]).

    L(f) = sum_p omega_p l(f_p, y_p),     f_p = ∫ a sigma(<w, x_p> + b) rho(dz),     Psi(z; rho) = grad L . Phi(z)

R = 2 L for the square loss, the mean square error; for any other R = L, the mean loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Flag, Kind, Number, Numbers
from mfpde.keys.reader import POSITIVE_SIZE, SIZE, TableReader, as_list
from mfpde.keys.samples import Samples, SamplesKey, sample_mistakes
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem.clouds import Clouds, CloudsKey
from mfpde.problem.initial.points import POINTS, head_laws, in_place_of
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.finite_data import SQUARE, FiniteData
from mfpde.problem.laws.interface import LAWS
from mfpde.problem.marginals import Marginal
from mfpde.problem.network import Unit
from mfpde.solvers.objective.losses.interface import LOSSES
from mfpde.solvers.objective.losses.pointwise import nodal_loss

if TYPE_CHECKING:
    from mfpde.problem.laws.interface import Predict
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.space.measure import Measure

INLINE = ("points", "values", "weights")
ALONG = ("w1", "w2", "w3")
LAWS_OF_W = ("kappa", *ALONG, "a", "b")
CONSTANT = 1e-12
"""Spread of a column over its size that is rounding."""
STANDING_IN = ((-1.0,), (1.0,))
"""Inputs of the set that mistakes leave."""


@dataclass(frozen=True)
class Rows(Kind):
    """A list of rows of numbers of one length; numbers alone are rows of one."""

    @property
    def accepted(self) -> str:
        return f"a list of rows [[...], ...] of numbers, each {SIZE}"

    def read(self, reader: TableReader, name: str, default: None) -> tuple[tuple[float, ...], ...] | None:
        if not reader.has(name):
            return default
        rows = [as_list(row) for row in as_list(reader.raw(name))]
        places = tuple(str(place) for place in range(1, len(rows) + 1))
        each = TableReader(reader.dotted(name), dict(zip(places, rows, strict=True)), places, reader.errors)
        found = [each.numbers(place, SIZE, "[0.5, -1.0]") for place in places]
        good = tuple(row for row in found if row is not None)
        lengths = {len(row) for row in good}
        if not rows:
            reader.complain(name, f"must be {self.accepted}", "points = [[0.5, -1.0], [1.0, 0.0]]")
        if len(lengths) > 1:
            problem = f"rows of {min(lengths)} and of {max(lengths)} numbers"
            reader.complain(name, problem, "as many numbers in each row, the coordinates of one x")
        return good if len(good) == len(rows) and len(lengths) == 1 else default

    def plain(self, value: Sequence[Sequence[float]]) -> object:
        return [list(row) for row in value]


@dataclass(frozen=True)
class NeuronInitial(Checked):
    """The law of a neuron at t = 0."""

    table = "initial"

    kappa: float = key(0.8, Number(POSITIVE_SIZE), "w ~ N(0, kappa^2 Id / d)")
    w1: float | Marginal | None = key(None, LawOf(constant=0.1), "the first coordinate of w in place of that of kappa")
    w2: float | Marginal | None = key(None, LawOf(constant=0.1), "the second likewise")
    w3: float | Marginal | None = key(None, LawOf(constant=0.1), "the third likewise")
    a: float | Marginal = key(1.0, LawOf(), "the coefficients, a constant or a law")
    b: float | Marginal = key(0.0, LawOf(), "the offsets, likewise")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> NeuronInitial:
        """Points in place of the others."""
        return in_place_of(self, reader, LAWS_OF_W)

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return LAWS_OF_W if name == "points" else ("points",)

    @property
    def settings(self) -> NeuronInitial:
        """What of it the stationary laws depend on: constants that are part of the unit."""
        a, b = head_laws(self)
        return replace(NeuronInitial(), a=a, b=b)


@LAWS.register("dataset")
@dataclass(frozen=True)
class DataSet(FiniteData):
    """Samples from a file, or written in the configuration, under a loss of their outputs."""

    file: Samples | None = key(None, SamplesKey(), "the samples: x1, ..., xd, y and optionally weight")
    points: tuple[tuple[float, ...], ...] | None = key(None, Rows(), "x_p, a row each, in place of a file")
    values: tuple[float, ...] | None = key(None, Numbers(SIZE, "[1.0, -1.0]"), "y_p beside points")
    weights: tuple[float, ...] | None = key(
        None, Numbers(POSITIVE_SIZE, "[0.5, 0.5]"), "omega_p beside points, up to a factor (equal ones where left out)"
    )
    loss: str = key(SQUARE, Choice(LOSSES.names), "l of sum_p omega_p l(f_p, y_p)")
    test: Samples | None = key(None, SamplesKey(), "samples that are not trained on, whose risk is told beside")
    clouds: Clouds | None = key(
        None,
        CloudsKey(),
        "samples are clouds, points of one number in the column cloud: means of random features",
    )
    standardise: bool = key(False, Flag(), "whether each coordinate of x is moved to mean 0 and scaled to variance 1")

    Initial = NeuronInitial
    begun = MappingProxyType({"points": ((-1.0,), (0.5,), (1.0,)), "values": (-0.5, 0.8, 0.6)})

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return INLINE if name == "file" else ("file",) if name == "points" else ()

    def settled(self, reader: TableReader) -> DataSet:
        """One source of samples, whose numbers make sense for the loss."""
        known = len(reader.errors)
        if self.file is not None:
            for name in INLINE:
                if reader.has(name):
                    reader.complain(name, "given together with data.file", "one of the two")
        elif not reader.has("file"):
            self._settle_inline(reader)
        sources = self.file is not None or self.points is not None
        if len(reader.errors) == known and sources and self._settle_clouds(reader):
            self._settle_samples(reader)
            self._settle_test(reader)
            if len(reader.errors) == known:
                return self
        return replace(self, file=None, points=STANDING_IN, values=(-1.0, 1.0), weights=None)

    def _settle_inline(self, reader: TableReader) -> None:
        for name in ("points", "values"):
            if not reader.has(name):
                remedy = 'file = "data.csv", or points = [[...], ...] and values = [...]'
                reader.complain(name, "missing, and there is no file", remedy)
        if self.points is not None and self.values is not None:
            weights = np.ones(len(self.points)) if self.weights is None else np.array(self.weights)
            mistakes = sample_mistakes(np.array(self.points), np.array(self.values), weights)
            reader.errors += [f"{reader.dotted('points')}: {problem}" for problem in mistakes]

    def _settle_clouds(self, reader: TableReader) -> bool:
        """Files that name clouds where there are some, and no others; whether that is so."""
        known = len(reader.errors)
        if self.clouds is not None and self.file is None:
            reader.complain("clouds", "points of samples stand in a file", 'file = "data.csv" with a column cloud')
        for name in ("file", "test"):
            samples = getattr(self, name)
            if samples is None or (samples.cloud is None) == (self.clouds is None):
                continue
            if self.clouds is None:
                reader.complain(name, "its column cloud is of clouds of points", "clouds = { count = 20 } beside it")
            else:
                reader.complain(name, "no column says to which cloud a point belongs", "cloud, x1, ..., y above it")
        return len(reader.errors) == known

    def _settle_samples(self, reader: TableReader) -> None:
        """Two samples or more, columns that vary, targets that the loss can read."""
        x, y, _ = self.raw
        source = "file" if self.file is not None else "points"
        if len(x) < 2:
            reader.complain(source, "one sample only", "two or more")
            return
        still = [f"x{place + 1}" for place in np.flatnonzero(np.ptp(x, axis=0) <= CONSTANT * np.abs(x).max(axis=0))]
        if still and (self.clouds is None or self.standardise):
            remedy = 'the samples without it; offsets = "trained" in [network] does what a constant column would'
            reader.complain(source, f"{', '.join(still[:4])} constant in all samples", remedy)
        try:
            nodal_loss(self.loss, np.ones(len(y)), y)
        except ValueError as error:
            reader.complain("loss", str(error), f'other targets, or loss = "{SQUARE}"')

    def _settle_test(self, reader: TableReader) -> None:
        """Test inputs of the same dimension, and targets that the loss can read."""
        if self.test is None:
            return
        own, other = (self.file.x if self.file is not None else self.raw[0]).shape[1], self.test.x.shape[1]
        if own != other:
            reader.complain("test", f"x has {other} coordinates, those of the training set {own}", "a file of the same")
        try:
            nodal_loss(self.loss, self.test.weights, self.test.y)
        except ValueError as error:
            reader.complain("test", str(error), "other targets in that file")

    @property
    def raw(self) -> tuple[Array, Array, Array]:
        """x, y and omega before x is standardised."""
        if self.file is not None:
            x, y, weights = self.inputs_of(self.file), self.file.y, self.file.weights
        else:
            x, y = np.array(self.points or STANDING_IN, dtype=float), np.array(self.values or (), dtype=float)
            weights = np.ones(len(y)) if self.weights is None else np.array(self.weights)
        return x, y, weights / weights.sum()

    @property
    def training(self) -> tuple[Array, Array, Array]:
        x, y, weights = self.raw
        return self.standardised(x), y, weights

    @property
    def held_out(self) -> tuple[Array, Array, Array] | None:
        if self.test is None:
            return None
        return (
            self.standardised(self.inputs_of(self.test)),
            self.test.y,
            self.test.weights / self.test.weights.sum(),
        )

    def inputs_of(self, samples: Samples) -> Array:
        return super().inputs_of(samples) if self.clouds is None else self.clouds.inputs(samples)

    @property
    def loss_name(self) -> str:
        return self.loss

    def standardised(self, x: Array) -> Array:
        """Inputs as the network takes them, shape (n, d)."""
        if not self.standardise:
            return x
        own, _, weights = self.raw
        mean = weights @ own
        return np.asarray((x - mean) / np.sqrt(weights @ (own - mean) ** 2))

    def watches(self, unit: Unit, predict: Predict) -> Mapping[str, Callable[[Measure], float]]:
        """The risk of the test set, and where the loss is one of classes the accuracy on both, and margins."""
        x, y, weights = self.raw
        sets = {"": (x, y, weights)}
        if self.test is not None:
            sets["test_"] = self.inputs_of(self.test), self.test.y, self.test.weights / self.test.weights.sum()
        kinds = [name for name in ("risk", "accuracy") if name in self.worth(y, weights, np.zeros(len(y)))]
        watches = {
            f"{name}{kind}": partial(self._watched, kind, *of, predict)
            for name, of in sets.items()
            for kind in kinds
            if name or kind != "risk"
        }
        return {**watches, **self.margins(unit, predict)}

    @property
    def raw_inputs(self) -> Array:
        return self.raw[0]

    def _watched(self, kind: str, x: Array, y: Array, weights: Array, predict: Predict, law: Measure) -> float:
        return self.worth(y, weights, predict(law, x))[kind]

    def problems(self, experiment: Any) -> list[str]:
        known = self.axes()
        return [
            f"initial.{name}: x has {len(known)} coordinates; leave it out"
            for name in ALONG
            if name not in known and getattr(experiment.initial, name, None) is not None
        ]
