"""Which stationary law a run is nearest to: the one-atom laws of a search, the optimum, and those of its clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.keys.declaration import trusting
from mfpde.problem.problem import build_problem
from mfpde.results.answers.ending import Cluster
from mfpde.results.answers.stationary import StationaryPoint
from mfpde.schemes.solver import Solver
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.branches import follow, merged, polish
from mfpde.solvers.stationary.stability import CONE
from mfpde.studies.distance import Pieces, distance_to_atoms
from mfpde.studies.optimum.atoms import DEFAULT_RADIUS, optimum_atoms
from mfpde.studies.stationary.point import Classifier, refuse_stationary
from mfpde.studies.stationary.stationary import one_atom_laws
from mfpde.tables.sgd import Sgd
from mfpde.tables.time import Time

MOST_SEARCHED = 2
"""Coordinates up to which every one-atom law is searched for: seconds; in three it takes many minutes."""
VANISHING = 0.1
"""Radii of a cluster below this share of the law's size are tried as 0 too."""
LEFT_OUT = 1e-6
"""Mass of the outermost pieces that may lie outside the box."""


@dataclass(frozen=True)
class BoxLaws:
    """What is known of a problem on a box, whatever the run.

    Attributes:
        classifier: the landscape, and the optimum.
        laws: the one-atom laws, where they were searched for.
        words: what was not searched.
    """

    classifier: Classifier
    laws: tuple[StationaryPoint, ...]
    words: str


def laws_on_box(configuration: Experiment, radius: float) -> BoxLaws:
    """The laws of a box, for every run of the same problem; what has been computed in this process is kept.

    Raises:
        ConfigurationError: where stationary laws are not made of atoms that rest.
    """
    return _laws_on_box(problem_alone(configuration), radius)


def problem_alone(configuration: Experiment) -> Experiment:
    """The configuration with everything set alike that its stationary laws do not depend on."""
    settings = getattr(configuration.initial, "settings", configuration.initial)
    with trusting():  # a default start or end need not suit the problem, and nothing is run from it
        return replace(configuration, initial=settings, time=Time(), solver=Solver(), sgd=Sgd())


@lru_cache(maxsize=4)
def _laws_on_box(configuration: Experiment, radius: float) -> BoxLaws:
    problem = build_problem(configuration)
    refuse_stationary(problem)
    classifier = Classifier(problem, radius, optimum_atoms(configuration, radius, growth=()))
    if problem.geometry.dimension > MOST_SEARCHED:
        words = f"one-atom laws are not searched for in {problem.geometry.dimension} coordinates"
        return BoxLaws(classifier, (), f"{words}: the nearest law is sought from the run's clusters and the optimum")
    return BoxLaws(classifier, one_atom_laws(classifier), "")


def chosen_radius(law: Pieces, radius: float | None, names: Sequence[str]) -> float:
    """The box: that of `radius`, or 10, 20, 40, ..., the first to hold the law.

    Raises ConfigurationError where the law is not inside the box asked for.
    """
    sizes = np.maximum(np.abs(law.lower), np.abs(law.upper))
    order = np.argsort(sizes.max(axis=1))
    inside = int((np.cumsum(law.masses[order]) < 1.0 - LEFT_OUT).sum())
    reach = float(sizes[order[min(inside, len(order) - 1)]].max())
    chosen = DEFAULT_RADIUS
    while chosen < reach:
        chosen *= 2.0
    if radius is None:
        return chosen
    if not (reach <= radius):
        axis = int(np.argmax(sizes[order[: inside + 1]].max(axis=0)))
        problem = f"--radius {radius:g}: the law of the run reaches {names[axis]} = {reach:.4g}"
        raise ConfigurationError([f"{problem}; write --radius {chosen:g}"])
    return radius


def nearest_law(
    known: BoxLaws, law: Pieces, heaps: Sequence[Cluster], size: float
) -> tuple[StationaryPoint, float] | None:
    """The stationary law at the least W2 distance from a run's law, and the distance; None where none was found.

    Args:
        known: laws of the box.
        heaps: clusters of the law.
        size: of the law.
    """
    near = [(distance_to_atoms(law, point.positions, point.masses), point) for point in known.laws]
    best: tuple[float, StationaryPoint | Atoms, str] | None = None
    for distance, point in near:
        if best is None or distance < best[0]:
            best = distance, point, ""
    for atoms, origin in _reached(known, heaps, size):
        distance = distance_to_atoms(law, atoms.points, atoms.weights)
        # the same law found twice keeps the words of the search
        if best is None or distance < best[0] * (1.0 - 1e-9) - 1e-9 * size:
            best = distance, atoms, origin
    if best is None:
        return None
    distance, chosen, origin = best
    if isinstance(chosen, StationaryPoint):
        return chosen, distance
    return known.classifier.classify(chosen, origin)[0], distance


def _reached(known: BoxLaws, heaps: Sequence[Cluster], size: float) -> Iterator[tuple[Atoms, str]]:
    """Stationary laws on atoms that the clusters lead to, and the optimum where it is inside the box."""
    classifier = known.classifier
    best = classifier.optimum
    if not best.at_boundary:
        yield Atoms(best.positions, best.weights / best.weights.sum()), "the optimum on the box"
    if not heaps:
        return
    held = ""
    if len(heaps) > 1 and not classifier.landscape.flow.fisher_rao_rate > 0.0:
        held = "; one of a family, whose parameters are the masses: here those of the clusters"
    alone = len(heaps) == 1 and bool(known.laws)
    for start in _starts(classifier, heaps, size):
        polished = polish(classifier.landscape, start, classifier.lower, classifier.upper)
        if polished is not None and _rests(classifier, polished):
            yield merged(polished, classifier.upper - classifier.lower), f"Newton's method from the clusters{held}"
        elif not alone:
            branch = follow(classifier.landscape, start, classifier.lower, classifier.upper)
            if branch.law is not None and _rests(classifier, branch.law):
                yield branch.law, f"where the flow takes atoms at the clusters, {branch.ending}{held}"


def _starts(classifier: Classifier, heaps: Sequence[Cluster], size: float) -> Iterator[Atoms]:
    """Atoms at the clusters, also with the small radii made 0: there Newton's method would not stay inside."""
    masses = np.array([cluster.weight for cluster in heaps])
    positions = np.array([cluster.position for cluster in heaps])
    positions = np.clip(positions, classifier.lower, classifier.upper)
    extent = np.array([np.hypot(cluster.position, cluster.spread) for cluster in heaps])
    small = classifier.landscape.radii & (extent < VANISHING * size)
    yield Atoms(positions, masses / masses.sum())
    if small.any():
        yield Atoms(np.where(small, 0.0, positions), masses / masses.sum())


def _rests(classifier: Classifier, law: Atoms) -> bool:
    """Whether no atom whose radii all vanish leaves the origin."""
    landscape = classifier.landscape
    if not landscape.radii.any():
        return True
    at_origin = np.all(law.points[:, landscape.radii] == 0.0, axis=1)
    outputs = landscape.outputs(law)
    return all(landscape.slopes_at_origin(place, outputs)[0] >= -CONE for place in law.points[at_origin])
