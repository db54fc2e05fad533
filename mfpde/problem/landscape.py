"""The landscape of a problem's laws on a box: by exact pairs where they have closed forms, by features elsewhere."""

from __future__ import annotations

from mfpde.problem.problem import Problem
from mfpde.solvers.space.box import Box
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.solvers.stationary.pair_landscape import PairLandscape

ACCURACY = 1e-13
"""Error of U asked of the features, and that of exact pairs, by quadrature."""
GUIDE = 1e-3
"""Accuracy of features of which only the sizes count."""


def landscape_on(problem: Problem, box: Box) -> tuple[Landscape, float]:
    """The landscape on a box, and the error of its U."""
    pairs = problem.exact_pairs
    if pairs is not None:
        objective = problem.represent("guide", box, GUIDE).objective
        return PairLandscape(objective, problem.geometry, problem.flow, pairs), ACCURACY
    return feature_landscape(problem, box)


def feature_landscape(problem: Problem, box: Box) -> tuple[Landscape, float]:
    """The landscape by features, whose cost is linear in the atoms of a law, and the error of its U."""
    reduced = problem.represent("exact", box, ACCURACY)
    return Landscape(reduced.objective, problem.geometry, problem.flow), reduced.error
