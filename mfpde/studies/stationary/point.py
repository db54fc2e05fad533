"""A stationary law with its class, and what classes it: the landscape on a box, measured against the optimum there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.problem.landscape import feature_landscape, landscape_on
from mfpde.problem.problem import Problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.stationary.landscape import AtomicLaw, Landscape, Stability, stability
from mfpde.solvers.stationary.minimum import lowest
from mfpde.solvers.stationary.pair_landscape import PairLandscape
from mfpde.studies.optimum.atoms import AtomicOptimum
from mfpde.studies.stationary.words import Verdict, atoms_text, judge

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
            "atoms": atoms_json(names, self.positions, self.masses),
            "risk": self.risk,
            "free_energy": self.free_energy,
            "gap_to_optimum": self.gap_to_optimum,
            "stable": self.stable,
            "eigenvalues": {"splitting": [list(part) for part in self.splitting], "drift": list(self.drift)},
            "global_optimum": self.global_optimum,
            "note": self.note,
        }

    def text(self, names: tuple[str, ...]) -> str:
        """The same in three lines."""
        verdict = {True: "stable", False: "unstable", None: "undecided"}[self.stable]
        optimal = ", global optimum" if self.global_optimum else ""
        return "\n".join(
            [
                f"{atoms_text(names, self.positions, self.masses)}: {verdict}{optimal}",
                f"    risk {self.risk:.10g}, gap to the optimum {self.gap_to_optimum:.4g}",
                f"    {self.note}",
            ]
        )

    def same(self, other: StationaryPoint, radius: float) -> bool:
        """Whether the two are one law, seen over a box of that radius."""
        if len(self.masses) != len(other.masses):
            return False
        near = np.max(np.abs(self.positions - other.positions)) < SAME * radius
        return bool(near and np.max(np.abs(self.masses - other.masses)) < SAME)


class Classifier:
    """Classes stationary laws of a problem on the box 0 <= r_j <= radius, -radius <= a, b <= radius.

    Attributes:
        names: reduced coordinates.
        landscape: G on the box.
        lower, upper: corners of the box.
        feature_error: error of U on the box.
        optimum: the law of least free energy on the box.
    """

    def __init__(self, problem: Problem, radius: float, optimum: AtomicOptimum) -> None:
        self.names, self.radius, self.optimum = problem.geometry.names, radius, optimum
        self._problem, self._box = problem, problem.geometry.box(radius)
        self.lower, self.upper = self._box.lower, self._box.upper
        self.landscape, self.feature_error = landscape_on(problem, self._box)

    @cached_property
    def by_features(self) -> Landscape:
        """The landscape for laws of many atoms."""
        if not isinstance(self.landscape, PairLandscape):
            return self.landscape
        return feature_landscape(self._problem, self._box)[0]

    def classify(self, law: AtomicLaw, origin: str) -> tuple[StationaryPoint, Stability]:
        """The law with its class, atoms in the order of their coordinates, and its modes; `origin` ends the note."""
        order = np.lexsort(law.positions.T[::-1])
        law = AtomicLaw(law.positions[order], law.masses[order])
        modes = stability(self.landscape, law)
        outputs = self.landscape.outputs(law)
        energy = self.landscape.free_energy(law)
        gap = energy - self.optimum.free_energy
        best = gap <= OPTIMAL * max(1.0, abs(energy)) + self.optimum.feature_error
        verdict = judge(self.landscape, law, modes, self._better(law, outputs), self.names, self.feature_error)
        point = StationaryPoint(
            positions=law.positions,
            masses=law.masses,
            risk=self.landscape.risk(outputs),
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

    def slope_at_origin(self, law: AtomicLaw) -> float:
        """Least one-sided slope of G where all radii of the first atom vanish; below 0 atoms leave from there."""
        return self.landscape.slopes_at_origin(law.positions[0], self.landscape.outputs(law))[0]

    def _better(self, law: AtomicLaw, outputs: Array) -> tuple[float, Array] | None:
        """With birth and death: how far G falls below its value on the atoms somewhere in the box, and where."""
        if not self.landscape.flow.fisher_rao_rate > 0.0:
            return None
        least, place = lowest(self.landscape, outputs, self.lower, self.upper)
        return float(self.landscape.potential(law.positions, outputs)[0].max()) - least, place


def refuse_stationary(problem: Problem) -> None:
    """Raise ConfigurationError where stationary laws are not made of atoms that rest."""
    messages = []
    if math.isfinite(problem.flow.inverse_temperature):
        messages.append(
            "dynamics.inverse_temperature: finite; with noise the only stationary law is the Gibbs law of "
            "`mfpde optimum`, write inverse_temperature = inf for atoms"
        )
    messages += unmoved(problem)
    if messages:
        raise ConfigurationError(messages)


def unmoved(problem: Problem) -> list[str]:
    """What keeps atoms from moving, one message each."""
    messages = []
    if not problem.flow.transport:
        messages.append(
            'dynamics.flow: "fisher-rao"; without transport every atom rests where it is, write "wasserstein" or '
            '"wasserstein-fisher-rao"'
        )
    frozen = problem.geometry.frozen
    if frozen:
        messages.append(f"initial.{frozen[0]}: a fixed random law; atoms need a constant or a trained one")
    return messages


def atoms_json(names: tuple[str, ...], positions: Array, masses: Array) -> list[dict[str, Any]]:
    """Atoms as JSON: positions by name, and weights."""
    return [
        {"position": dict(zip(names, place, strict=True)), "weight": mass}
        for place, mass in zip(positions.tolist(), masses.tolist(), strict=True)
    ]


def optimum_json(best: AtomicOptimum) -> dict[str, Any]:
    """The optimum on the stated box as JSON."""
    return {
        "risk": best.risk,
        "free_energy": best.free_energy,
        "lower_bound": best.lower_bound,
        "radius": best.radius,
        "atoms": atoms_json(best.names, best.positions, best.weights),
        "at_boundary": best.at_boundary,
        "certified": best.certified,
    }


def optimum_text(best: AtomicOptimum) -> str:
    """The same in a line."""
    place = atoms_text(best.names, best.positions, best.weights)
    edge = ", mass at the end of the box" if best.at_boundary else ""
    known = "certified" if best.certified else f"certified only to be at least {best.lower_bound:.4g}"
    return f"optimum on the box of radius {best.radius:g} ({known}{edge}): risk {best.risk:.10g}, {place}"


def _joined(verdict: Verdict, origin: str) -> str:
    return "; ".join(part for part in (*verdict.words, origin) if part)
