"""What the arrays of a scheme need of the memory: refused before they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mfpde.errors import raise_mistakes
from mfpde.shell.memory import PROCESS, shortage

if TYPE_CHECKING:
    from mfpde.solvers.characteristics.panels import LabelLaw

PER_CELL = 40
"""Numbers per cell of a grid besides its features: masses, fluxes, slopes, what a step holds twice."""
ADAPTIVE = 40_000
"""Atoms up to which panels are halved."""
PER_COORDINATE = 16
"""Numbers per atom and coordinate: the stages of a step, the state before and after it, the panels."""

FEWER, LOOSER = "fewer values and knots in the laws of [initial]", "a larger solver.tolerance"


def refuse_cells(grids: Iterable[Iterable[int]], rank: int) -> None:
    """Raise ConfigurationError where the features on the cells of grids that are held at once do not fit."""
    cells = [math.prod(float(count) for count in grid) for grid in grids]
    words = f"the {rank} features on {cells[0]:.3g} cells and those of the runs beside"
    _refuse(words, sum(cells) * (rank + PER_CELL), "solver.cells", "fewer solver.cells")


def refuse_atoms(
    laws: Sequence[LabelLaw], nodes: Sequence[int], asked: Sequence[tuple[int, ...] | None], held: int, dimension: int
) -> None:
    """The same for the atoms of runs at once: the number per label that is asked for, or what panels may come to.

    Args:
        laws, nodes, asked: rho_0, Gauss nodes of a panel, and the atoms per label of each run.
        held: numbers at every atom besides its coordinates, such as features and their gradients.
    """
    given = asked[0] is not None
    counts = [float(law.atoms(each, most)) for law, each, most in zip(laws, nodes, asked, strict=True)]
    counts = counts if given else [max(ADAPTIVE, count) for count in counts]
    words = f"{'' if given else 'up to '}{counts[0]:.3g} atoms and those of the run beside"
    key, remedy = ("solver.atoms", "fewer solver.atoms") if given else ("initial", f"{FEWER}, or {LOOSER}")
    _refuse(words, sum(counts) * (dimension * PER_COORDINATE + held), key, remedy)


def refuse_trails(law: LabelLaw, nodes: int, times: int, dimension: int) -> None:
    """The same for the guide, which keeps its atoms at that many times."""
    atoms = float(law.atoms(nodes))
    words = f"{atoms:.3g} atoms at {times} times, which show where the law goes"
    _refuse(words, atoms * dimension * (times + PER_COORDINATE), "initial", FEWER)


def _refuse(words: str, numbers: float, key: str, remedy: str) -> None:
    raise_mistakes(shortage({words: (8.0 * numbers, key, remedy), "the program": (PROCESS, key, remedy)}))
