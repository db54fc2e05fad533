"""The result of `stationary`: the stationary laws of a box, each with its class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.objects import Key, Names, Part, atom_list, by_name, group, told
from mfpde.results.words import atoms_text, place_text, verdict_text
from mfpde.solvers.arrays import Array

SAME = 1e-6
"""Distance over the box, and between masses, at which two laws are one."""
COLUMNS = ("atoms", "R", "gap", "rate", "lifetime", "verdict")
MEANINGS = (
    "gap: free energy above that of the optimum; rate: perturbations grow like exp(rate s), or decay if it is negative",
    "lifetime: 1/rate; s = ∫xi dt is the flow time, which is t where dynamics.schedule is 1",
    "plateau: unstable, but atoms as wholes return to it faster than it is left",
    "G = Psi + ridge |z|^2 / 2: half of what the free energy gains by mass at z; atoms move with velocity -grad G",
)
"""What the columns and letters mean, in lines."""
OPTIMUM = Key("optimum", lambda answer, names: answer.optimum.brief(), lambda value: {"optimum": value})
"""The optimum, briefly."""


def _places(family: PointFamily, names: Names) -> Any:
    return [dict(zip(names, place, strict=True)) for place in family.points.tolist()]


@dataclass(frozen=True)
class PointFamily(Part):
    """One-atom laws that are all stationary, a law among them.

    Attributes:
        dimension: of the family.
        points: where atoms of it sit, along a curve in order, shape (n, D).
        tangent: the unit direction of the family at the law that it belongs to, shape (D,).
    """

    JSON = (
        "dimension",
        Key("points", _places, lambda value: {"points": [list(place.values()) for place in value]}),
        by_name("tangent"),
    )

    dimension: int
    points: Array
    tangent: Array


@dataclass(frozen=True)
class StationaryPoint(Part):
    """A stationary law and its class.

    Attributes:
        positions, masses: the atoms, shapes (n, D) and (n,).
        risk, free_energy: R, and F = R + ridge ∫|z|^2 drho.
        gap_to_optimum: F - F* on the box.
        stable: False where a perturbation grows, True where all decay, None where rounding hides it.
        splitting: eigenvalues of Hess G per atom (over alpha^2 at a scale alpha): parts of it move apart like
            exp(-eigenvalue s).
        drift: eigenvalues of the linearised motion of whole atoms, and of their masses with birth and death.
        rate: perturbations grow like exp(rate s) at most, s the flow time; below 0 they decay, NaN where nothing moves.
        global_optimum: whether no law that is known on the box has less free energy, to 1e-10.
        note: the verdict in words, and where the law comes from.
        family: the one-atom laws beside it that rest too; None where it is alone.
    """

    JSON = (
        *(atom_list("positions", "masses"), "risk", "free_energy", "gap_to_optimum", "stable"),
        *(group("eigenvalues", "splitting", "drift"), "family", "global_optimum", "note"),
        told("rate", optional=True),
        Key("lifetime", lambda point, names: point.lifetime, lambda value: {}, optional=True),
    )

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
    rate: float = math.nan
    family: PointFamily | None = None

    @property
    def lifetime(self) -> float:
        """1 / rate of an unstable law, in which perturbations grow by the factor e; infinite of others."""
        return 1.0 / self.rate if self.stable is False and self.rate > 0.0 else math.inf

    @property
    def is_plateau(self) -> bool:
        """Whether whole atoms return faster than the law is left: it is first approached, by laws that are narrow."""
        return self.stable is False and min(self.drift, default=-math.inf) > self.rate > 0.0

    @property
    def verdict(self) -> str:
        """The class, with the time in which an unstable law is left."""
        left = f", leaves in time {self.lifetime:.2g}" if math.isfinite(self.lifetime) else ""
        optimal = ", global optimum" if self.global_optimum else ""
        optimal += f", one of a family of dimension {self.family.dimension}" if self.family else ""
        return f"{'plateau' if self.is_plateau else verdict_text(self.stable)}{left}{optimal}"

    @property
    def atoms(self) -> tuple[Array, Array] | None:
        """Positions and masses."""
        return self.positions, self.masses

    def text(self, names: tuple[str, ...]) -> str:
        """The same in three lines."""
        return "\n".join(
            [
                f"{atoms_text(names, self.positions, self.masses)}: {self.verdict}",
                f"    risk {self.risk:.10g}, gap to the optimum {self.gap_to_optimum:.4g}",
                f"    {self.note}",
            ]
        )

    def rows(self, names: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Its rows of the table: one for each atom, what holds for all of them on the first."""
        pairs = zip(self.masses.tolist(), self.positions, strict=True)
        first, *others = (f"{mass:.4g} at {place_text(names, place, 5)}" for mass, place in pairs)
        rate = f"{self.rate:.3g}" if math.isfinite(self.rate) and self.stable is not None else ""
        lifetime = f"{self.lifetime:.3g}" if math.isfinite(self.lifetime) else ""
        told = (first, f"{self.risk:.6g}", f"{self.gap_to_optimum:.3g}", rate, lifetime, self.verdict)
        return [told, *((atom, "", "", "", "", "") for atom in others)]

    def same(self, other: StationaryPoint, radius: float) -> bool:
        """Whether the two are one law, seen over a box of that radius."""
        if len(self.masses) != len(other.masses):
            return False
        near = np.max(np.abs(self.positions - other.positions)) < SAME * radius
        return bool(near and np.max(np.abs(self.masses - other.masses)) < SAME)


@ANSWERS.register("stationary")
@dataclass(frozen=True)
class Stationary(Whole):
    """The stationary laws of a problem on a box.

    Attributes:
        names: reduced coordinates.
        radius: R of the box 0 <= r_j <= R, -R <= a, b <= R.
        points: one-atom laws, then the others.
        optimum: the law of least free energy on the box, with its certificate.
        complete: whether the search for one-atom laws is exhaustive.
        completeness: that in words, face by face.
    """

    JSON = ("points", OPTIMUM, "complete", "completeness")

    names: tuple[str, ...]
    radius: float
    points: tuple[StationaryPoint, ...]
    optimum: AtomicOptimum
    complete: bool
    completeness: tuple[str, ...]

    def table(self) -> str:
        """A row for each atom, and what the columns mean."""
        rows = [COLUMNS, *(row for point in self.points for row in point.rows(self.names))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = []
        for atom, *numbers, verdict in rows:
            told = (f"{number:>{width}}" for number, width in zip(numbers, widths[1:], strict=False))
            lines.append("  ".join([f"{atom:<{widths[0]}}", *told, verdict]).rstrip())
        return "\n".join([*lines, *MEANINGS, self.optimum.line(), *self.completeness])

    def details(self) -> str:
        """The table, and of each law what grows, and where its atoms lead when they split."""
        return "\n".join([self.table(), *(point.text(self.names) for point in self.points)])

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The box, which the optimum tells too."""
        return {**super().untold(content), "radius": content["optimum"]["radius"]}
