"""Keys of [solver] that several schemes declare, and their kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Integers

MAXIMUM_CELLS = 2**24
"""Most cells, or atoms, that options may ask for: one number for each of them takes 128 MiB."""


@dataclass(frozen=True)
class PerCoordinate(Integers):
    """Numbers of cells or atoms, one for each reduced coordinate or one for all of them."""

    def mistakes(self, name: str, counts: tuple[int, ...], coordinates: Sequence[str]) -> list[str]:
        """What is wrong with such numbers of a problem with these coordinates."""
        dimension = len(coordinates)
        problem = f"solver.{name} = {list(counts)}"
        if len(counts) not in (1, dimension):
            more = f"write {dimension} numbers, one for each, or one for all"
            return [f"{problem}: the reduced coordinates are {', '.join(coordinates)}; {more}"]
        total = math.prod(counts) if len(counts) == dimension else counts[0] ** dimension
        if total <= MAXIMUM_CELLS:
            return []
        example = int(MAXIMUM_CELLS ** (1 / dimension) / 2)
        return [
            f"{problem}: {total:.3g} {name} in all, more than {MAXIMUM_CELLS}; write for example {name} = {example}"
        ]


@dataclass(frozen=True)
class NoOptions:
    """A scheme without options of its own."""


@dataclass(frozen=True)
class AtomOptions:
    """What schemes of atoms read."""

    atoms: tuple[int, ...] | None = key(
        None, PerCoordinate(1, 10**7, "[64]"), "atoms per reduced coordinate of rho_0; one number stands for all"
    )
