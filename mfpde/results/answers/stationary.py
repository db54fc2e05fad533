"""The result of `stationary`: the stationary laws of a box, each with its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.objects import Key, Part, atom_list, group
from mfpde.results.words import atoms_text, verdict_text
from mfpde.solvers.arrays import Array

SAME = 1e-6
"""Distance over the box, and between masses, at which two laws are one."""
OPTIMUM = Key("optimum", lambda answer, names: answer.optimum.brief(), lambda value: {"optimum": value})
"""The optimum, briefly."""


@dataclass(frozen=True)
class StationaryPoint(Part):
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

    JSON = (
        *(atom_list("positions", "masses"), "risk", "free_energy", "gap_to_optimum", "stable"),
        *(group("eigenvalues", "splitting", "drift"), "global_optimum", "note"),
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

    @property
    def atoms(self) -> tuple[Array, Array] | None:
        """Positions and masses."""
        return self.positions, self.masses

    def text(self, names: tuple[str, ...]) -> str:
        """The same in three lines."""
        optimal = ", global optimum" if self.global_optimum else ""
        return "\n".join(
            [
                f"{atoms_text(names, self.positions, self.masses)}: {verdict_text(self.stable)}{optimal}",
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
        """The same in words."""
        lines = [point.text(self.names) for point in self.points]
        return "\n".join([*lines, self.optimum.line(), *self.completeness])

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The box, which the optimum tells too."""
        return {**super().untold(content), "radius": content["optimum"]["radius"]}
