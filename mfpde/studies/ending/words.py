"""What the ending of a run means, in words: at rest, on the way, by a plateau, or leaving."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mfpde.problem.problem import build_problem
from mfpde.results.answers.ending import Cluster
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.answers.stationary import StationaryPoint
from mfpde.results.words import atoms_text, place_text
from mfpde.solvers.arrays import Array
from mfpde.studies.ending.law import Motion, RunEnd
from mfpde.studies.stationary.point import OPTIMAL

REST = 1e-3
"""Share of its size by which a law at rest would move in as long as it has run."""
NEAR = 0.15
"""W2 distance, over the size of the law, within which a stationary law counts as near: the run may go there."""
CLOSE = 0.05
"""The same for an unstable law, by which a run lingers only while its mass is gathered there."""
FINE = 1e-9
"""Mass of dust that is worth no word."""
VANISHING = 1e-10
"""F below which the optimum counts as 0."""


@dataclass(frozen=True)
class FinalState:
    """The last law of a run, how it moves, and what is near: what the words are made of.

    Attributes:
        last: the law.
        moving: its velocities.
        clusters: of it.
        path: how far it would move in as long as it has run.
        nearest: the nearest stationary law and its distance.
        apart: the distance of it and the clusters, the dust left aside; infinite without one.
        best, gap: the optimum on the box, and how far F of the run is above it.
        rounding: error of F.
        searched: what was not searched.
    """

    last: RunEnd
    moving: Motion
    clusters: tuple[Cluster, ...]
    path: float
    nearest: tuple[StationaryPoint, float] | None
    apart: float
    best: AtomicOptimum
    gap: float
    rounding: float
    searched: str

    @property
    def near(self) -> bool:
        """Whether the nearest law is near."""
        if self.nearest is None:
            return False
        return self.apart <= (CLOSE if self.nearest[0].stable is False else NEAR) * self.last.size

    @property
    def leaving(self) -> bool:
        """Whether a law is near that is known to be unstable, and which it will leave."""
        return self.near and self.nearest is not None and self.nearest[0].stable is False

    @property
    def at_rest(self) -> bool:
        """Whether the law hardly moves, or has reached a stable one, and no unstable one is near."""
        reached = self.near and self.nearest is not None and self.nearest[0].stable is True
        arrived = reached and resting(self.apart, self.last.size)
        return not self.leaving and (resting(self.path, self.last.size) or arrived)


def moved(dissipation: float, last: RunEnd) -> float:
    """How far a law would move in as long as it has run: flow time times the root mean square speed.

    Infinite for a law at t = 0 that moves: it has not run yet.
    """
    time = build_problem(last.configuration).flow.schedule.flow_time(last.time)
    speed = math.sqrt(0.5 * max(dissipation, 0.0))
    return speed * time if time > 0.0 or speed == 0.0 else math.inf


def resting(path: float, size: float) -> bool:
    """Whether a path, or a distance, is so short that the law counts as at rest."""
    return path <= REST * size


def statements(final: FinalState) -> tuple[str, ...]:
    """The verdict, one statement after the other."""
    dust = 1.0 - math.fsum(cluster.weight for cluster in final.clusters)
    others = [f"mass {dust:.2g} is dust, which does not count here"] if dust > FINE else []
    return (*_motion(final), *_neighbour(final), *others, *final.last.words, *filter(None, [final.searched]))


def _motion(final: FinalState) -> Iterator[str]:
    """Rest or motion."""
    if final.at_rest:
        yield f"at rest: D = {final.moving.dissipation:.3g}"
    if final.at_rest or (final.leaving and resting(final.path, final.last.size)):
        return
    yield f"still moving at speed up to {final.moving.speed:.3g}, D = {final.moving.dissipation:.3g}"
    if final.near:
        return
    for cluster in final.clusters:
        velocity = _velocity(final, cluster)
        outwards = float(velocity @ cluster.position)
        distance = float(np.linalg.norm(cluster.position))
        if outwards > 0.0 and outwards / distance * final.last.time > REST * final.last.size:
            where = place_text(final.last.names, cluster.position, 5)
            yield f"mass {cluster.weight:.4g} moves outwards, now about {where}, at speed {outwards / distance:.3g}"
    if final.best.at_boundary:
        yield "the optimum has mass at the end of the box: mass may leave for ever larger radii"


def _neighbour(final: FinalState) -> Iterator[str]:
    """What the nearest stationary law says of the ending."""
    if final.nearest is None:
        yield "no stationary law was found near"
        return
    point, distance = final.nearest
    law = atoms_text(final.last.names, point.positions, point.masses)
    if not final.near:
        yield f"no stationary law is near: the nearest that was found, {law}, is at W2 distance {distance:.4g}"
        if final.best.free_energy < VANISHING:
            yield "the least F is 0, which many laws have: the gap to the optimum tells more than the distance"
    elif point.stable is False:
        yield f"not the end: a metastable plateau by an unstable law, {law}, W2 distance {distance:.4g}: it will leave"
        yield from _widening(final)
    else:
        verb = "ends at" if final.at_rest else "on the way to"
        kind = "a stable law" if point.stable else "a law whose stability is undecided"
        yield f"{verb} {kind}, {law}, W2 distance {distance:.4g}"
        if point.global_optimum:
            yield "it is the global optimum on the box"
        else:
            yield f"it is not the optimum: {point.gap_to_optimum:.6g} above it"
    if final.near and final.gap <= OPTIMAL * max(1.0, abs(final.best.free_energy)) + final.rounding:
        yield "the run has reached the optimum on the box"


def _widening(final: FinalState) -> Iterator[str]:
    """How fast the clusters widen by an unstable law: there the spread grows like exp(rate s)."""
    for cluster in final.clusters:
        masses = final.last.pieces.masses[cluster.members]
        offset = final.last.pieces.centres[cluster.members] - cluster.position
        square = float(masses @ (offset**2).sum(axis=1))
        relative = final.moving.velocity[cluster.members] - _velocity(final, cluster)
        if square > 0.0:
            rate = float(masses @ (offset * relative).sum(axis=1)) / square
            doing = "widens" if rate > 0.0 else "narrows"
            yield f"the cluster at {place_text(final.last.names, cluster.position, 5)} {doing} at rate {abs(rate):.4g}"


def _velocity(final: FinalState, cluster: Cluster) -> Array:
    """Mean velocity of a cluster."""
    masses = final.last.pieces.masses[cluster.members]
    return np.asarray(masses @ final.moving.velocity[cluster.members] / masses.sum())
