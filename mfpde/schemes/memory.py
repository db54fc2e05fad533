"""What the arrays of a scheme need of the memory: refused before they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mfpde.errors import raise_mistakes
from mfpde.shell.memory import PROCESS, shortage

PER_CELL = 40
"""Numbers per cell of a grid besides its features: masses, fluxes, slopes, what a step holds twice."""
PER_COORDINATE = 16
"""Numbers per atom and coordinate: the stages of a step, the state before and after it, the panels."""


def refuse_cells(grids: Iterable[Iterable[int]], rank: int) -> None:
    """Raise ConfigurationError where the features on the cells of grids that are held at once do not fit."""
    cells = [math.prod(float(count) for count in grid) for grid in grids]
    words = f"the {rank} features on {cells[0]:.3g} cells and those of the runs beside"
    _refuse(words, sum(cells) * (rank + PER_CELL), "solver.cells", "fewer solver.cells")


def refuse_atoms(atoms: Iterable[Iterable[int] | None], rank: int, coordinates: int) -> None:
    """The same for atoms where their number per label is given; `rank` features and their gradients at each, or 0."""
    counts = [math.prod(float(count) for count in each) for each in atoms if each is not None]
    if counts:
        numbers = coordinates * PER_COORDINATE + rank * (1 + coordinates)
        words = f"{counts[0]:.3g} atoms and those of the run beside"
        _refuse(words, sum(counts) * numbers, "solver.atoms", "fewer solver.atoms")


def _refuse(words: str, numbers: float, key: str, remedy: str) -> None:
    raise_mistakes(shortage({words: (8.0 * numbers, key, remedy), "the program": (PROCESS, key, remedy)}))
