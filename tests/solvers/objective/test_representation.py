"""What a form of features says of its error: that of each stage it went through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective import representation
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.representation import Expansion, represent
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms

BOX = Box(np.zeros(1), np.ones(1))


@dataclass(frozen=True)
class Powers(DenseFeatures):
    """1, z and z^2."""

    dimension: int = 1
    rank: int = 3

    def values(self, points: Array) -> Array:
        return points ** np.arange(3.0)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        slopes = np.hstack([0.0 * points, 0.0 * points + 1.0, 2.0 * points])
        return self.values(points), slopes[:, :, None]


@dataclass(frozen=True)
class Scaled(Powers):
    """The same, wrong by a share."""

    wrong: float = 0.0

    def __init__(self, wrong: float) -> None:
        object.__setattr__(self, "wrong", wrong)

    def values(self, points: Array) -> Array:
        return super().values(points) * (1.0 + self.wrong)


def expanded(*_: object) -> Expansion:
    objective = Objective(Powers(), SquareLoss(np.array([0.5, 1.0, 1.0]), np.array([1.0, 0.0, 0.0])))
    return Expansion(objective, 1e-3, "powers", scale=1.5)


def test_a_table_adds_what_its_error_does_to_an_interaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phi off by value_error times its size moves U = Phi . Phi by twice that times the size once more."""

    def rough(*arguments: Any, **named: Any) -> FeatureTable:
        return replace(build_table(*arguments, **named), value_error=0.01)

    monkeypatch.setattr(representation, "build_table", rough)
    compressed, tabulated = (represent(expanded, BOX, 1e-6, form, None) for form in ("compressed", "tabulated"))
    assert compressed.error >= 1e-3
    assert tabulated.error == pytest.approx(compressed.error + 2.0 * 0.01 * 1.5**2, rel=1e-12)


def test_the_error_of_a_risk_is_the_distance_from_the_source_and_the_error_of_that() -> None:
    """Features of a thousandth more than their source: of an atom at 1 the energies are known."""
    reduced = represent(expanded, BOX, 1e-6, "exact", None)
    source = reduced.source.loss
    assert isinstance(source, SquareLoss)
    law = Atoms(np.ones((1, 1)), np.ones(1))
    assert reduced.risk_error([law]) == 1e-3
    moved = replace(reduced, objective=replace(reduced.objective, loss=replace(source, constant=0.25)))
    assert moved.risk_error([law]) == pytest.approx(0.251, rel=1e-12)
    assert moved.risk_error([]) == 1e-3


@pytest.mark.parametrize(("least", "taken"), [(1e-12, 1e-7), (1e-5, 1e-4)])
def test_features_beside_others_are_better_or_worse_but_never_the_same(least: float, taken: float) -> None:
    """Of a tenth of the error asked for, 1e-6; where `least` is the least there is, and both had it, of ten times that.

    They were always coarser: units of two features for 1e-3 and for 1e-2 alike left a mean off by all that it was.
    """
    asked: list[float] = []

    def expand(_: Box, accuracy: float, effort: str) -> Expansion:
        asked.append(max(accuracy, least))
        return replace(expanded(), error=asked[-1], objective=Objective(Scaled(asked[-1]), expanded().objective.loss))

    main = represent(expand, BOX, 1e-6, "compressed", None)
    represent(expand, BOX, 1e-6, "compressed", None, main)
    assert asked[-1] == pytest.approx(taken, rel=1e-12)


def test_better_features_are_compressed_from_a_source_that_is_good_enough_for_both() -> None:
    """The same source: what the compression leaves is all that they are wrong by."""
    good = replace(expanded(), error=0.0)
    main = represent(lambda *_: good, BOX, 0.1, "compressed", None)
    other = represent(lambda *_: good, BOX, 0.1, "compressed", None, main)
    assert main.rank < other.rank
    assert other.error < 0.1 * main.error
