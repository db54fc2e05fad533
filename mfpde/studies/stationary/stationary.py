"""Stationary laws of the noise-free flow on a box: every one-atom law, those that split atoms lead to, their classes.

A one-atom law delta_z is stationary iff z is a critical point of z -> F(delta_z), by faces of the box: radii that
vanish stay 0 by symmetry, or rest at a cone of G at the origin. Where such points fill a curve one stands for it. Laws
on several atoms are those that the flow reaches from a stationary law with one atom split in two along a growing mode;
under the Wasserstein flow each belongs to a family with the masses as parameters, under birth and death it is isolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np

from mfpde.configuration.sources import Source, experiment_of
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.stationary import PointFamily, Stationary, StationaryPoint
from mfpde.results.words import atoms_text, place_text
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.branches import follow, split
from mfpde.solvers.stationary.families import Family, gathered
from mfpde.solvers.stationary.search import SMALLEST, critical_points
from mfpde.solvers.stationary.stability import CONE, Stability
from mfpde.studies.optimum.atoms import optimum_atoms
from mfpde.studies.run.output import kept, output_file
from mfpde.studies.stationary.point import Classifier, refuse_stationary
from mfpde.studies.stationary.words import direction_text, search_text

RADIUS = 10.0
SHARES = (0.25, 0.5, 0.75)
"""Shares of the mass that a split atom is cut into, at the first split; in halves later."""
MOST_ATOMS = 3
HELD = (
    "one-atom laws on kinks of Psi are not searched for: an atom rests there too, held from both sides; "
    'those that attract are reached by `mfpde solve` with time.until = "stationary"'
)
SHOWN = 32
"""About how many laws of a family are told."""


def stationary(
    source: Source,
    radius: float | None = None,
    branches: bool = True,
    *,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> Stationary:
    """The stationary laws of a noise-free configuration on the box 0 <= r_j <= R, -R <= a, b <= R.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        radius: R; None for 10.
        branches: whether to go on to the laws of several atoms that split ones lead to.
        output: JSON file; an existing one is kept unless `force`.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: with noise, without transport, or with a frozen random coordinate.
        OutputError: `output` cannot be written.
    """
    with output_file(output, force=force, kind="OUT.json", resumable=False) as path:
        experiment = experiment_of(source, **given)
        return kept(_stationary(experiment, RADIUS if radius is None else radius, branches), path)


def _stationary(configuration: Experiment, radius: float, branches: bool) -> Stationary:
    problem = build_problem(configuration)
    refuse_stationary(problem)
    # `mfpde optimum` also searches larger boxes; here the stated one is enough
    best = optimum_atoms(configuration, radius, growth=())
    return _Study(Classifier(problem, radius, best)).result(branches)


def one_atom_laws(classifier: Classifier) -> tuple[StationaryPoint, ...]:
    """The stationary laws on one atom, with their classes."""
    return _Study(classifier).result(branches=False).points


class _Study:
    """One search: the landscape on the box, and what is found there."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier, self.landscape = classifier, classifier.landscape
        self.names, self.radius = classifier.names, classifier.radius
        self.lower, self.upper = classifier.lower, classifier.upper
        self.points: list[StationaryPoint] = []
        self.words: list[str] = []
        self.complete = True

    def result(self, branches: bool) -> Stationary:
        """Search, classify, branch."""
        if self.classifier.bent:
            self.complete = False
            self.words.append(HELD)
        laws = sorted(self._one_atom_laws(), key=lambda found: tuple(found[0].points[0].tolist()))
        pending = [(self._classified(law, family), law) for law, family in laws]
        self.points = [point for (point, _), _ in pending]
        for place, ((_, modes), law) in enumerate(pending if branches else []):
            self._branch(place, law, modes, SHARES)
        return Stationary(
            self.names, self.radius, tuple(self.points), self.classifier.optimum, self.complete, tuple(self.words)
        )

    def _classified(self, law: Atoms, family: Family | None) -> tuple[StationaryPoint, Stability]:
        if family is None:
            return self.classifier.classify(law, "")
        along = direction_text(self.names, family.tangents[family.middle])
        point, modes = self.classifier.classify(
            law, f"one of a family of dimension {family.dimension}, along {along} here"
        )
        shown = family.points[:: max(1, len(family.points) // SHOWN)]
        told = PointFamily(family.dimension, shown, family.tangents[family.middle])
        return replace(point, family=told), modes

    def _one_atom_laws(self) -> Iterator[tuple[Atoms, Family | None]]:
        """Critical points of z -> F(delta_z) on every face where some radii vanish, and inside; one of each family."""
        radii = np.flatnonzero(self.landscape.radii)
        families: list[Family] = []
        for vanishing in chain.from_iterable(combinations(radii, k) for k in range(len(radii) + 1)):
            kept = np.setdiff1d(np.arange(self.upper.size), np.array(vanishing, dtype=int))
            alone, found = self._on_face(kept, [self.names[j] for j in vanishing])
            at_origin = len(vanishing) == len(radii) > 0
            for place in alone:
                law = Atoms(place[None], np.ones(1))
                if any(family.holds(place[None])[0] for family in families):
                    continue
                if at_origin and not self._rests_at_origin(law):
                    continue
                if kept.size == 0:
                    self.words.append(
                        f"one-atom laws with {place_text(self.names, place)}: 1, all found (it rests there)"
                    )
                yield law, None
            for family in found:
                families.append(family)
                yield Atoms(family.points[family.middle][None], np.ones(1)), family

    def _on_face(self, kept: Array, vanishing: Sequence[str]) -> tuple[Array, list[Family]]:
        """Zeros that are alone on the face of the coordinates `kept`, shape (n, D), and families."""
        if kept.size == 0:
            return np.zeros((1, self.upper.size)), []

        def gradient(points: Array) -> Array:
            whole = np.zeros((len(points), self.upper.size))
            whole[:, kept] = points
            return self.landscape.own_gradient(whole)[:, kept]

        objective = self.landscape.objective
        # a gradient below its rounding changes F over the box by less than the rounding of R
        floor = objective.energy(np.zeros(objective.features.rank)) / self.radius
        lower, upper, even = self.lower[kept], self.upper[kept], self.landscape.radii[kept]
        search = critical_points(gradient, lower, upper, even, floor)
        # nearer to a face than the search sees a zero is one of that face
        inside = (search.points > np.where(even, 2.0 * SMALLEST * (upper - lower), -np.inf)).all(axis=1)
        search = replace(search, points=search.points[inside])
        # as the search has it: what vanishes with a radius is divided out
        families, search = gathered(search, lambda z: gradient(z) / np.where(even, z, 1.0), lower, upper)
        self.complete &= search.complete
        self.words.append(search_text(self.names, vanishing, kept, search, len(families)))
        alone = np.zeros((len(search.points), self.upper.size))
        alone[:, kept] = search.points
        return alone, [family.embedded(kept, self.upper - self.lower) for family in families]

    def _rests_at_origin(self, law: Atoms) -> bool:
        low = self.classifier.slope_at_origin(law)
        if low >= -CONE:
            return True
        self.words.append(
            f"{atoms_text(self.names, law.points, law.weights)} is not stationary: G falls from there with slope "
            f"{low:.6g}, atoms leave at that speed"
        )
        return False

    def _branch(self, place: int, law: Atoms, modes: Stability, shares: tuple[float, ...]) -> None:
        """Split the atom that grows fastest, follow the flow, and go on from what it reaches."""
        point = self.points[place]
        growing = [mode for mode in modes.splitting if mode.eigenvalue < 0.0]
        if point.stable is not False or not growing or len(law.weights) >= MOST_ATOMS:
            return
        law = law.ordered
        mode = min(growing, key=lambda mode: mode.eigenvalue)
        endings = []
        for share in shares:
            branch = follow(self.landscape, split(law, mode, share, self.landscape), self.lower, self.upper)
            label = f"split {share:g} : {1.0 - share:g}"
            if branch.law is None:
                endings.append(f"{label} {branch.ending}")
                continue
            reached = atoms_text(self.names, branch.law.points, branch.law.weights)
            endings.append(f"{label} ends at {reached}")
            source = atoms_text(self.names, law.points, law.weights)
            family = (
                ""
                if self.landscape.flow.fisher_rao_rate > 0.0 or len(branch.law.weights) == 1
                else ("; one of a family, whose parameters are the masses")
            )
            child, child_modes = self.classifier.classify(branch.law, f"{label} of {source} {branch.ending}{family}")
            if any(child.same(other, self.radius) for other in self.points):
                continue
            self.points.append(child)
            if len(child.masses) > len(law.weights):
                self._branch(len(self.points) - 1, branch.law, child_modes, (0.5,))
        note = f"{self.points[place].note}; {', '.join(endings)}"
        self.points[place] = replace(self.points[place], note=note)
