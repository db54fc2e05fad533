"""Stationary laws of the noise-free flow on a box: every one-atom law, those that split atoms lead to, their classes.

A one-atom law delta_z is stationary iff z is a critical point of z -> F(delta_z), by faces of the box: radii that
vanish stay 0 by symmetry, or rest at a cone of G at the origin. Laws on several atoms are those that the flow reaches
from a stationary law with one atom split in two along a growing mode; under the Wasserstein flow each belongs to a
family with the masses as parameters, under birth and death it is isolated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

import numpy as np

from mfpde.configuration import Configuration, ConfigurationError
from mfpde.problem import Problem, build_problem
from mfpde.reduction.interface import Box
from mfpde.solvers.objective import Array
from mfpde.solvers.stationary import CONE, AtomicLaw, Landscape, Stability, stability
from mfpde.solvers.stationary_branches import follow, split
from mfpde.solvers.stationary_minimum import lowest
from mfpde.solvers.stationary_search import Search, critical_points
from mfpde.studies.optimum_atoms import AtomicOptimum, optimum_atoms
from mfpde.studies.stationary_words import Verdict, atoms_text, judge, search_text

RADIUS = 10.0
ACCURACY = 1e-13
SHARES = (0.25, 0.5, 0.75)
"""Shares of the mass that a split atom is cut into, at the first split; in halves later."""
MOST_ATOMS = 3
OPTIMAL = 1e-10
"""Gap to the optimum, relative to max(F, 1), within which a law counts as optimal: what the certificate reaches."""
SAME = 1e-6
"""Distance over the box, and between masses, at which two laws are one."""


@dataclass(frozen=True)
class StationaryPoint:
    """A stationary law and its class.

    Attributes:
        positions, masses: the atoms, shapes (n, D) and (n,).
        risk, free_energy: R, and F = R + ridge ∫|z|^2 drho.
        gap_to_optimum: F - F* on the box.
        stable: False where a perturbation grows, True where all decay, None where rounding hides it.
        splitting: eigenvalues of Hess G per atom: parts of it move apart like exp(-eigenvalue s).
        drift: eigenvalues of the linearised motion of whole atoms, and of their masses with birth and death.
        global_optimum: whether no law that is known on the box has less free energy, to 1e-10.
        note: the verdict in words, and where the law comes from.
    """

    positions: Array
    masses: Array
    risk: float
    free_energy: float
    gap_to_optimum: float
    stable: bool | None
    splitting: tuple[tuple[float, ...], ...]
    drift: tuple[float, ...]
    global_optimum: bool
    note: str

    def to_json(self, names: tuple[str, ...]) -> dict[str, Any]:
        """An entry of `points`."""
        return {
            "atoms": _atoms_json(names, self.positions, self.masses),
            "risk": self.risk,
            "free_energy": self.free_energy,
            "gap_to_optimum": self.gap_to_optimum,
            "stable": self.stable,
            "eigenvalues": {"splitting": [list(part) for part in self.splitting], "drift": list(self.drift)},
            "global_optimum": self.global_optimum,
            "note": self.note,
        }


@dataclass(frozen=True)
class Stationary:
    """The stationary laws of a problem on a box.

    Attributes:
        names: reduced coordinates.
        radius: R of the box 0 <= r_j <= R, -R <= a, b <= R.
        points: one-atom laws, then the others.
        optimum: the law of least free energy on the box, with its certificate.
        complete: whether the search for one-atom laws is exhaustive.
        completeness: that in words, face by face.
    """

    names: tuple[str, ...]
    radius: float
    points: tuple[StationaryPoint, ...]
    optimum: AtomicOptimum
    complete: bool
    completeness: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `mfpde stationary`."""
        best = self.optimum
        return {
            "points": [point.to_json(self.names) for point in self.points],
            "optimum": {
                "risk": best.risk,
                "free_energy": best.free_energy,
                "lower_bound": best.lower_bound,
                "radius": self.radius,
                "atoms": _atoms_json(self.names, best.positions, best.weights),
                "at_boundary": best.at_boundary,
                "certified": best.certified,
            },
            "complete": self.complete,
            "completeness": list(self.completeness),
        }

    def table(self) -> str:
        """The same in words."""
        lines = []
        for point in self.points:
            verdict = {True: "stable", False: "unstable", None: "undecided"}[point.stable]
            optimal = ", global optimum" if point.global_optimum else ""
            lines += [
                f"{atoms_text(self.names, point.positions, point.masses)}: {verdict}{optimal}",
                f"    risk {point.risk:.10g}, gap to the optimum {point.gap_to_optimum:.4g}",
                f"    {point.note}",
            ]
        best = self.optimum
        place = atoms_text(self.names, best.positions, best.weights)
        edge = ", mass at the end of the box" if best.at_boundary else ""
        known = "certified" if best.certified else f"certified only to be at least {best.lower_bound:.4g}"
        lines.append(f"optimum on the box of radius {self.radius:g} ({known}{edge}): risk {best.risk:.10g}, {place}")
        return "\n".join([*lines, *self.completeness])


def _atoms_json(names: tuple[str, ...], positions: Array, masses: Array) -> list[dict[str, Any]]:
    return [
        {"position": dict(zip(names, place, strict=True)), "weight": mass}
        for place, mass in zip(positions.tolist(), masses.tolist(), strict=True)
    ]


def stationary(configuration: Configuration, radius: float = RADIUS, branches: bool = True) -> Stationary:
    """The stationary laws of a noise-free configuration on the box 0 <= r_j <= radius, -radius <= a, b <= radius.

    Args:
        branches: whether to go on to the laws of several atoms that split ones lead to.

    Raises:
        ConfigurationError: with noise, without transport, or with a frozen random coordinate.
    """
    problem = build_problem(configuration)
    refuse_stationary(problem)
    # `mfpde optimum` also searches larger boxes; here the stated one is enough
    best = optimum_atoms(configuration, radius, growth=())
    return _Study(problem, radius, best).result(branches)


def refuse_stationary(problem: Problem) -> None:
    """Raise ConfigurationError where a problem has no stationary laws on atoms: noise, no transport, frozen laws."""
    messages = []
    if math.isfinite(problem.flow.inverse_temperature):
        messages.append(
            "dynamics.inverse_temperature: finite; with noise the only stationary law is the Gibbs law of "
            "`mfpde optimum`, write inverse_temperature = inf for atoms"
        )
    if not problem.flow.transport:
        messages.append(
            'dynamics.flow: "fisher-rao"; without transport every atom rests where it is, write "wasserstein" or '
            '"wasserstein-fisher-rao"'
        )
    frozen = [n for n, moves in zip(problem.geometry.names, problem.geometry.mobile, strict=True) if not moves]
    if frozen:
        messages.append(f"initial.{frozen[0]}: a fixed random law; atoms need a constant or a trained one")
    if messages:
        raise ConfigurationError(messages)


class _Study:
    """One search: the landscape on the box, and what is found there."""

    def __init__(self, problem: Problem, radius: float, optimum: AtomicOptimum) -> None:
        self.optimum = optimum
        self.names, self.radius, self.flow = problem.geometry.names, radius, problem.flow
        self.upper = np.full(problem.geometry.dimension, radius)
        self.lower = np.maximum(problem.geometry.lower_bounds, -radius)
        reduced = problem.reduction.exact(Box(self.lower, self.upper), ACCURACY)
        self.landscape = Landscape(reduced.objective, problem.geometry, problem.flow)
        self.feature_error = reduced.error
        self.found: list[StationaryPoint] = []
        self.words: list[str] = []
        self.complete = True

    def result(self, branches: bool) -> Stationary:
        """Search, classify, branch."""
        laws = sorted(self._one_atom_laws(), key=lambda law: tuple(law.positions[0].tolist()))
        pending = [(self._classified(law, ""), law) for law in laws]
        self.found = [point for (point, _), _ in pending]
        for place, ((_, modes), law) in enumerate(pending if branches else []):
            self._branch(place, law, modes, SHARES)
        return Stationary(self.names, self.radius, tuple(self.found), self.optimum, self.complete, tuple(self.words))

    def _one_atom_laws(self) -> Iterator[AtomicLaw]:
        """Critical points of z -> F(delta_z) on every face where some radii vanish, and inside."""
        radii = np.flatnonzero(self.landscape.radii)
        for vanishing in chain.from_iterable(combinations(radii, k) for k in range(len(radii) + 1)):
            kept = np.setdiff1d(np.arange(self.upper.size), np.array(vanishing, dtype=int))
            if kept.size == 0:
                places = np.zeros((1, self.upper.size))
            else:
                search = self._search(kept)
                self.complete &= search.complete
                self.words.append(search_text(self.names, [self.names[j] for j in vanishing], kept, search))
                places = np.zeros((len(search.points), self.upper.size))
                places[:, kept] = search.points
            at_origin = len(vanishing) == len(radii) > 0
            for place in places:
                law = AtomicLaw(place[None], np.ones(1))
                if at_origin and not self._rests_at_origin(place, law):
                    continue
                yield law

    def _search(self, kept: Array) -> Search:
        def gradient(points: Array) -> Array:
            whole = np.zeros((len(points), self.upper.size))
            whole[:, kept] = points
            return self.landscape.own_gradient(whole)[:, kept]

        return critical_points(gradient, self.lower[kept], self.upper[kept], self.landscape.radii[kept])

    def _rests_at_origin(self, place: Array, law: AtomicLaw) -> bool:
        low, _ = self.landscape.slopes_at_origin(place, self.landscape.outputs(law))
        if low >= -CONE:
            return True
        self.words.append(
            f"{atoms_text(self.names, law.positions, law.masses)} is not stationary: G falls from there with slope "
            f"{low:.6g}, atoms leave at that speed"
        )
        return False

    def _classified(self, law: AtomicLaw, origin: str) -> tuple[StationaryPoint, Stability]:
        order = np.lexsort(law.positions.T[::-1])
        law = AtomicLaw(law.positions[order], law.masses[order])
        modes = stability(self.landscape, law)
        outputs = self.landscape.outputs(law)
        energy = self.landscape.free_energy(law)
        gap = energy - self.optimum.free_energy
        best = gap <= OPTIMAL * max(1.0, abs(energy)) + self.feature_error
        verdict = judge(self.landscape, law, modes, self._better(law, outputs), self.names, self.feature_error)
        point = StationaryPoint(
            positions=law.positions,
            masses=law.masses,
            risk=self.landscape.objective.risk(outputs),
            free_energy=energy,
            gap_to_optimum=gap,
            stable=verdict.stable,
            splitting=tuple(
                tuple(mode.eigenvalue for mode in modes.splitting if mode.atom == i) for i in range(len(law.masses))
            ),
            drift=tuple(mode.eigenvalue for mode in modes.drift),
            global_optimum=best,
            note=_joined(verdict, origin),
        )
        return point, modes

    def _better(self, law: AtomicLaw, outputs: Array) -> tuple[float, Array] | None:
        """With birth and death: how far G falls below its value on the atoms somewhere in the box, and where."""
        if not self.flow.fisher_rao_rate > 0.0:
            return None
        least, place = lowest(self.landscape, outputs, self.lower, self.upper)
        return float(self.landscape.potential(law.positions, outputs)[0].max()) - least, place

    def _branch(self, place: int, law: AtomicLaw, modes: Stability, shares: tuple[float, ...]) -> None:
        """Split the atom that grows fastest, follow the flow, and go on from what it reaches."""
        point = self.found[place]
        growing = [mode for mode in modes.splitting if mode.eigenvalue < 0.0]
        if point.stable is not False or not growing or len(law.masses) >= MOST_ATOMS:
            return
        order = np.lexsort(law.positions.T[::-1])
        law = AtomicLaw(law.positions[order], law.masses[order])
        mode = min(growing, key=lambda mode: mode.eigenvalue)
        endings = []
        for share in shares:
            branch = follow(self.landscape, split(law, mode, share, self.landscape), self.lower, self.upper)
            label = f"split {share:g} : {1.0 - share:g}"
            if branch.law is None:
                endings.append(f"{label} {branch.ending}")
                continue
            reached = atoms_text(self.names, branch.law.positions, branch.law.masses)
            endings.append(f"{label} ends at {reached}")
            source = atoms_text(self.names, law.positions, law.masses)
            family = (
                ""
                if self.flow.fisher_rao_rate > 0.0 or len(branch.law.masses) == 1
                else ("; one of a family, whose parameters are the masses")
            )
            child, child_modes = self._classified(branch.law, f"{label} of {source} {branch.ending}{family}")
            if any(self._same(child, other) for other in self.found):
                continue
            self.found.append(child)
            self._branch(len(self.found) - 1, branch.law, child_modes, (0.5,))
        note = f"{self.found[place].note}; {', '.join(endings)}"
        self.found[place] = replace(self.found[place], note=note)

    def _same(self, first: StationaryPoint, second: StationaryPoint) -> bool:
        if len(first.masses) != len(second.masses):
            return False
        near = np.max(np.abs(first.positions - second.positions)) < SAME * self.radius
        return bool(near and np.max(np.abs(first.masses - second.masses)) < SAME)


def _joined(verdict: Verdict, origin: str) -> str:
    return "; ".join(part for part in (*verdict.words, origin) if part)
