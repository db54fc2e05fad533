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
