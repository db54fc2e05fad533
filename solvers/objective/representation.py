"""Features of a problem in the form that a scheme asks for: as they are, compressed, or tabulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..arrays import Array
from ..space.box import Box
from ..space.measure import Measure
from .coefficient import WithCoefficient
from .compression import compress
from .losses.logarithm import LogarithmicLoss, has_logarithms
from .losses.pointwise import PointwiseLoss
from .objective import FeatureMap, Objective
from .table.feature_table import FeatureTable, build_table
from .table.patched import PatchedFeatures

TABLE_ENTRIES = 8_000_000
"""Largest number of nodes times features of a table, 64 MB."""
FEWEST_NODES = 20_000
"""Nodes that a table may have however many features there are."""
GUIDE_NODES = 10_000
"""Most nodes of the table of a guide."""
DEGREE, OTHER_DEGREE = 8, 7
"""Degree of the elements of a table, and of one that shares no error with it."""
FINER, COARSER = 0.1, 10.0
"""Error of other features, over that of the usual ones: below it, or above where there are no better ones."""
COARSEST = 1e-6
"""Largest error of other features: slopes of Psi by a few of them fall more slowly than errors of U."""
GRADIENTS = 100.0
"""How much worse than values gradients come out, which decide the mesh."""

ROUNDING = 1e-15
"""Error of a kernel in closed form."""
FINEST = 1e-13
"""Error of U for |a| = 1 below which no more is asked of features for the sake of large coefficients."""

Effort = Literal["rough", "usual", "finest"]
"""Of an expansion: as cheap as a guide wants it, as accurate as asked, as accurate as is possible."""
Form = Literal["guide", "exact", "compressed", "tabulated", "atoms"]
"""What a scheme asks for: cheap features for a guide; uncompressed ones; those of the numerical rank on the box, which
are best where each point is asked for once; those tabulated on the box, evaluated outside it; those of atoms that move
as they are, by their kernel where the law has it in closed form, else tabulated."""


Gap = Callable[[Array, Array], float]
Potential = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Expansion:
    """The raw features of a problem, as its data law makes them on a box.

    Attributes:
        objective: features and loss, valid everywhere.
        error: bound, as measured, on the error of U on the box.
        method: how the features were obtained, in words.
        explicit: whether they are so few and cheap that a table gains nothing.
        scale: size of the features, which errors of a table are relative to; None to measure it at the box's corners.
        gap: of points (n, D) and their masses, those times a, the error of the risk of that law, as bounded or measured
            by what does not share it; None to take `error` for all.
        potential: of points and such masses, Psi of that law at its own points and its gradients, (n,) and (n, D), by
            what does not share the features; None where there is nothing better.
        resolved: error of U below which compression gains nothing, where that is not `error`: the features are right
            for smooth laws, not for every single neuron.
        atoms: the same by the kernel itself (`kernel`), exact to rounding, where that is known.
    """

    objective: Objective
    error: float
    method: str
    explicit: bool = False
    scale: float | None = None
    gap: Gap | None = None
    potential: Potential | None = None
    resolved: float | None = None
    atoms: Objective | None = None

    @property
    def enough(self) -> float:
        """Error of U that no compression need go below."""
        return self.error if self.resolved is None else self.resolved


@dataclass(frozen=True)
class ReducedObjective:
    """An objective with what is known of its accuracy.

    Attributes:
        objective: feature map and loss.
        rank: number of features.
        error: bound, as measured, on the error of U and V anywhere on the box.
        method: how the features were obtained, in words.
        source: the objective before compression and tabulation.
        source_error: bound on the error of its U on the box; where there is a coefficient a, over |a a'|.
        coefficient: the coordinate that multiplies the features, None where there is none.
        gap, potential: as those of the expansion.
        unsure: how far what is subtracted from the outputs may be off, shape (M,); None where nothing is.
    """

    objective: Objective
    rank: int
    error: float
    method: str
    source: Objective
    source_error: float
    coefficient: int | None = None
    gap: Gap | None = None
    potential: Potential | None = None
    unsure: Array | None = None

    @property
    def table(self) -> FeatureTable | None:
        """The table that the features are, inside its box; None where they are not tabulated."""
        features = self.objective.features
        return features.table if isinstance(features, PatchedFeatures) else None

    def shifted(self, start: Callable[[FeatureMap], tuple[Array, Array]]) -> ReducedObjective:
        """The objective with the outputs of the start subtracted from all, each form with its own.

        Args:
            start: of features, their outputs and how far these may be off, shape (M,) each.
        """

        def from_start(objective: Objective) -> tuple[Objective, Array]:
            outputs, left = start(objective.features)
            return replace(objective, loss=objective.loss.shifted(outputs)), left

        moved, left = from_start(self.objective)
        source = moved if self.source is self.objective else from_start(self.source)[0]
        return replace(self, objective=moved, source=source, potential=None, unsure=left)

    def of_logarithm(self) -> ReducedObjective:
        """The objective of log L, whose flow is that of L in the clock ds = L dt; itself where l has no logarithm."""

        def changed(objective: Objective) -> Objective:
            loss = objective.loss
            if not (isinstance(loss, PointwiseLoss) and has_logarithms(loss.pointwise)):
                return objective
            return replace(objective, loss=LogarithmicLoss(loss))

        moved = changed(self.objective)
        source = moved if self.source is self.objective else changed(self.source)
        return replace(self, objective=moved, source=source, potential=None, gap=None)

    def risk_error(self, laws: Iterable[Measure]) -> float:
        """Error of 2 L at laws, and so of the risk: measured against the source, plus the source's own.

        Errors of U carry a a': those of a law the square of its mean |a|.
        """
        gaps = []
        for law in laws:
            risks = [form.energy(law.outputs(form.features)) for form in (self.objective, self.source)]
            gaps.append(abs(risks[0] - risks[1]) + self._source_gap(law) + self._start_gap(law))
        return max(gaps, default=self.source_error)

    def _start_gap(self, law: Measure) -> float:
        """What the outputs that are subtracted leave of the risk of a law."""
        if self.unsure is None:
            return 0.0
        outputs = law.outputs(self.objective.features)
        moved = 2.0 * np.abs(self.objective.loss_gradient(outputs)) @ self.unsure
        return float(moved + self.objective.loss.hessian(outputs).squares(self.unsure[None])[0])

    def _source_gap(self, law: Measure) -> float:
        """What the source leaves of the risk of a law: for all laws alike (∫ |a| drho)^2 times the error of U."""
        points, masses = self._uncoupled(law)
        return float(np.abs(masses).sum()) ** 2 * self.source_error if self.gap is None else self.gap(points, masses)

    def _uncoupled(self, law: Measure) -> tuple[Array, Array]:
        """Points without the coefficient, and masses times it."""
        if self.coefficient is None:
            return law.points, law.weights
        return np.delete(law.points, self.coefficient, axis=1), law.weights * law.points[:, self.coefficient]

    def potential_of(self, law: Measure) -> tuple[Array, Array] | None:
        """Psi of a law at its points and its gradients by what does not share the features; None where nothing does."""
        if self.potential is None:
            return None
        values, slopes = self.potential(*self._uncoupled(law))
        if self.coefficient is None:
            return values, slopes
        a = law.points[:, self.coefficient]
        return a * values, np.insert(a[:, None] * slopes, self.coefficient, values, axis=1)


def represent(
    expand: Callable[[Box, float, Effort], Expansion],
    box: Box,
    accuracy: float,
    form: Form,
    coefficient: int | None,
    beside: ReducedObjective | None = None,
) -> ReducedObjective:
    """The features of a problem in this form, with U accurate to `accuracy` on the box where that is possible.

    Args:
        expand: the raw features on a box, without the coefficient.
        box: of all coordinates.
        coefficient: the coordinate that multiplies the features, None where there is none.
        beside: features of this accuracy to share no error with, for what is held against them: others a tenth as
            wrong, in a table as fine of polynomials of another degree. Coarser ones might differ by less than both are
            wrong by, or by nothing; they are taken where the finer ones are the same, as wrong as features can be.
    """
    inner, largest = box, 1.0
    if coefficient is not None:
        inner = Box(np.delete(box.lower, coefficient), np.delete(box.upper, coefficient))
        largest = max(abs(float(box.lower[coefficient])), abs(float(box.upper[coefficient])))
    if form != "guide":
        # U carries a a'
        accuracy = max(accuracy / max(largest, 1.0) ** 2, min(accuracy, FINEST))
    effort: Effort = "rough" if form == "guide" else "finest" if form == "exact" else "usual"
    asked, table = accuracy, (accuracy, DEGREE)
    if beside is not None:
        table, accuracy = (accuracy, OTHER_DEGREE), min(FINER * accuracy, COARSEST)
    made = _Made(expand(inner, accuracy, effort), coefficient, largest)
    if form == "atoms" and made.expansion.atoms is not None:
        return made.by_kernel(made.expansion.atoms)
    if beside is not None and made.expansion.error > accuracy and made.shares(beside, box):
        accuracy = COARSER * max(asked, beside.source_error)
        made = _Made(expand(inner, accuracy, effort), coefficient, largest)
    expansion = made.expansion
    if form == "exact" or (expansion.explicit and form in ("guide", "tabulated", "atoms")):
        return made.raw()
    if form == "guide":
        return made.raw() if inner.lower.size > 2 else made.sketched(inner, accuracy)
    if form == "compressed":
        return made.compressed(inner, accuracy)
    return made.tabulated(inner, accuracy, *table)


@dataclass(frozen=True)
class _Made:
    """Forms of one expansion, whose coefficient is at most `largest` on the box."""

    expansion: Expansion
    coefficient: int | None
    largest: float

    def shares(self, other: ReducedObjective, box: Box) -> bool:
        """Whether the features are those of another source, to the last bit, at the ends of the box."""
        ends = np.stack([box.lower, box.upper])
        own = self._with_coefficient(self.expansion.objective)
        return np.array_equal(own.features.values(ends), other.source.features.values(ends))

    def raw(self) -> ReducedObjective:
        return self._reduced(self.expansion.objective)

    def by_kernel(self, atoms: Objective) -> ReducedObjective:
        own = self._with_coefficient(atoms)
        return ReducedObjective(own, 0, self.largest**2 * ROUNDING, "kernel", own, ROUNDING, self.coefficient)

    def sketched(self, inner: Box, accuracy: float) -> ReducedObjective:
        """A small table."""
        small, error = self._compressed(inner, accuracy)
        table = build_table(
            small.features, _ends(inner), tolerance=GRADIENTS * accuracy, max_nodes=GUIDE_NODES, rounds=1
        )
        patched = replace(small, features=PatchedFeatures(table, small.features))
        return self._reduced(patched, error + float(table.value_error))

    def compressed(self, inner: Box, accuracy: float) -> ReducedObjective:
        small, error = self._compressed(inner, accuracy)
        return self._reduced(small, error, ", compressed")

    def tabulated(self, inner: Box, accuracy: float, finer: float, degree: int) -> ReducedObjective:
        """A table of this degree, of accuracy `finer`."""
        small, error = self._compressed(inner, accuracy)
        scale = self._scale(inner)
        table = build_table(
            small.features,
            _ends(inner),
            degree,
            GRADIENTS * max(finer, self.expansion.enough),
            max_nodes=max(FEWEST_NODES, TABLE_ENTRIES // small.features.rank),
            least_scales=scale,
            rounds=1,
            smallest_cell=2.0**-8,
        )
        error += 2.0 * float(table.value_error) * scale**2
        patched = replace(small, features=PatchedFeatures(table, small.features))
        return self._reduced(patched, error, ", compressed, tabulated")

    def _compressed(self, inner: Box, accuracy: float) -> tuple[Objective, float]:
        """The objective in features of the numerical rank, and the error of its U."""
        source = self.expansion.objective
        enough = max(accuracy, self.expansion.enough)
        small = compress(source.features, source.loss, inner.lower, inner.upper, enough)
        return Objective(small.features, small.loss), small.error

    def _scale(self, inner: Box) -> float:
        if self.expansion.scale is not None:
            return self.expansion.scale
        corners = self.expansion.objective.features.values(np.stack([inner.lower, inner.upper]))
        return max(float(np.max(np.abs(corners))), 1e-3)

    def _reduced(self, made: Objective, error: float = 0.0, how: str = "") -> ReducedObjective:
        """An objective made of the expansion with an additional error."""
        return ReducedObjective(
            objective=self._with_coefficient(made),
            rank=made.features.rank,
            error=self.largest**2 * (self.expansion.error + error),
            method=self.expansion.method + how,
            source=self._with_coefficient(self.expansion.objective),
            source_error=self.expansion.error,
            coefficient=self.coefficient,
            gap=self.expansion.gap,
            potential=self.expansion.potential,
        )

    def _with_coefficient(self, objective: Objective) -> Objective:
        if self.coefficient is None:
            return objective
        return replace(objective, features=WithCoefficient(objective.features, self.coefficient))


def _ends(box: Box) -> list[Array]:
    return [np.array([low, high]) for low, high in zip(box.lower, box.upper, strict=True)]
