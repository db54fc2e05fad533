"""rho_0 as labels with a density, and as atoms at the nodes of panels that resolve given features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mfpde.problem.condensed import condensed
from mfpde.problem.initial.law import InitialLaw
from mfpde.problem.marginals import TAIL, Marginal, discrete, reaching, unbounded
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.outputs import OutputResolution
from mfpde.solvers.characteristics.panels import LabelLaw, fill_panels, initial_panels
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import FeatureMap, Objective
from mfpde.solvers.space.measure import Atoms

TAILS = (TAIL, 1e-40, 1e-90, 1e-140, 1e-200, 1e-280, 1e-299)
"""Masses of a tail of a label beyond its cut, one after the other where births lift it."""
LEAST_DENSITY = 1e-300
"""Least product of tails that floating point holds."""
MANY_LABELS, TAIL_SHARE, LARGEST_TAIL = 3, 1e-3, 1e-9
"""Labels whose panels far out are too many, and the share of the accuracy that may be cut off there, with a limit."""
FITTED_LABELS = 3
"""Labels from which on rules are made for their laws. Panels of fewer are affordable, and have nodes enough for the
distributions of single coordinates, which ten nodes of a Gauss rule show to .15 only."""
MOST_ATOMS = 40_000
"""Atoms that a law is put on at most."""


def label_law(law: InitialLaw, reach: int = 0, accuracy: float = 0.0, plain: bool = False) -> LabelLaw:
    """rho_0 for schemes of atoms, its tails cut off at `TAILS[reach]` and farther out, as far as floats go.

    Tables of many knots are condensed to this accuracy, and where there are many labels their tails are cut by it.
    Rules are made for the laws of several labels that are independent, but where `plain` ones are asked for: births and
    deaths change a law.
    """
    law = replace(law, labels=tuple(condensed(marginal, accuracy) for marginal in law.labels))
    least = LEAST_DENSITY ** (1.0 / max(law.spread, 1))
    cut = any(unbounded(marginal) for marginal in law.labels)
    tails = [tail for tail in TAILS if tail > least] if cut else TAILS[:1]
    if cut and law.spread >= MANY_LABELS:
        tails = [min(LARGEST_TAIL, max(TAIL, TAIL_SHARE * accuracy)), *tails[1:]]
    order = sorted(range(len(law.labels)), key=lambda label: discrete(law.labels[label]))
    labels = [law.labels[label] for label in order]
    first, *wider = (
        tuple(reaching(marginal, tail) for marginal in labels[: law.spread])
        for tail in tails[min(reach, max(len(tails) - 2, 0)) :]
    )
    back = np.argsort(order)
    places = tuple(marginal.breaks for marginal in labels[law.spread :])
    fits = law.independent and not plain and law.spread >= FITTED_LABELS
    joint, embed = law.density, law.embed
    density = chances(labels[law.spread :], law.spread) if fits else lambda x: joint(x[:, back])
    own = tuple(marginal.density for marginal in labels[: law.spread]) if fits else ()
    return LabelLaw(first, density, lambda x: embed(x[:, back]), tuple(wider), places, law.mass, own)


def chances(labels: Sequence[Marginal], first: int) -> Callable[[Array], Array]:
    """The joint probability of labels that take single values, the columns from `first` on of what it is given."""

    def probability(x: Array) -> Array:
        found = np.ones(len(x))
        for column, marginal in enumerate(labels, first):
            found *= marginal.density(x[:, column])
        return found

    return probability


def starting_atoms(
    law: InitialLaw,
    features: FeatureMap,
    tolerance: float,
    labels: LabelLaw | None = None,
    order: int = 10,
    most: int = MOST_ATOMS,
) -> tuple[Atoms, Array]:
    """rho_0 on atoms by which the means of features, as a part of the risk, are right to the tolerance.

    Beside them what is left of each mean, shape (M,), where atoms as many as there may be are too few for that.

    Args:
        labels: where its labels are cut; None for where the schemes of atoms cut them.
        order: Gauss nodes of a panel and label.
        most: atoms, beyond which no panel is halved.
    """
    labels = label_law(law) if labels is None else labels
    rules = labels.rules(order)
    objective = Objective(features, SquareLoss(np.ones(features.rank), np.zeros(features.rank)))
    panels = initial_panels(labels, rules, tolerance, most)
    resolution = OutputResolution(objective, labels.density, labels.embed, rules, tolerance, most)
    corners = resolution.corners(panels.lower, panels.upper)
    return Atoms(*fill_panels(*corners, labels.density, labels.embed, rules).atoms), resolution.left(*corners)
