"""Places, atoms and verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence

from mfpde.solvers.arrays import Array

SQUARE = "E(y - f)^2"
"""What the risk is called where a file of an earlier version does not say."""


ROUNDING = 1e-12
"""What sums of numbers of size 1, such as R and F, are uncertain by."""


def excess(energy: float, least: float) -> float:
    """F over the least F; 0 where it is below by rounding, and negative where it is below by more, which is told."""
    gap = energy - least
    return 0.0 if -ROUNDING * max(1.0, abs(energy), abs(least)) <= gap <= 0.0 else gap


def place_text(names: Sequence[str], place: Array, digits: int = 8) -> str:
    """A place by its coordinates."""
    return ", ".join(f"{name} = {value:.{digits}g}" for name, value in zip(names, place.tolist(), strict=True))


def atoms_text(names: Sequence[str], positions: Array, masses: Array) -> str:
    """An atomic law in a line."""
    if len(masses) == 1:
        return f"atom at {place_text(names, positions[0])}"
    parts = [
        f"{mass:.6g} at {place_text(names, place)}" for place, mass in zip(positions, masses.tolist(), strict=True)
    ]
    return f"atoms {'; '.join(parts)}"


def verdict_text(stable: bool | None) -> str:
    """The class of a law."""
    return {True: "stable", False: "unstable", None: "undecided"}[stable]
