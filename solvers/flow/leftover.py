"""What a law lacks, where the runs beside it may lack the same: its share of the errors of R, F and D."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..space.geometry import Geometry
from ..space.grid import Grid
from .flow import Flow

IntArray = NDArray[np.integer[Any]]

LOST = 1e-2
"""Mass beyond a grid with which its law is no longer that of the problem."""
DUST = 1e-15
"""Mass that rounding leaves anywhere."""
UNDERFLOW = 1e-200
"""Mass of a cell at the start next to which 0 is none of rho_0's, but less than floating point holds."""


@dataclass(frozen=True)
class Leftover:
    """What is missing of a law.

    Attributes:
        errors: of the risk, the free energy and the dissipation, about; inf where it is of no use any more.
        problem, remedy: what is wrong and what to change, as `StepFailure` has them.
        beyond: the mass that lies beyond the law's points; NaN where it lies anywhere.
    """

    errors: tuple[float, ...]
    problem: str
    remedy: str
    beyond: float = math.nan


@dataclass(frozen=True)
class GridEnds:
    """The ends of a grid where the reduced space goes on: what a law of its cells lacks beyond them.

    The density along an axis is continued by its decay between the last two cells. That holds of births, which act on
    each point alone, and of noise near its steady state; a law that no longer falls there is about to leave the grid.
    Where a tail of rho_0 underflows the cells that hold something end before the grid: births cannot lift what is 0.

    Args:
        grid, geometry, flow: the cells and the problem.
        initial: masses of rho_0, of the grid's shape.
        psi: g -> Psi without V at the cells, of the grid's shape.
        confinement: V at the cells, of the grid's shape.
        log_measure: log w of the grid's shape, with noise.
    """

    grid: Grid
    geometry: Geometry
    flow: Flow
    initial: Array
    psi: Callable[[Array], Array]
    confinement: Array
    log_measure: Array | None

    def leftover(self, masses: Array, gradient: Array) -> Leftover | None:
        """What lies beyond the ends, None where it is no more than rounding; `gradient` is that of the loss.

        Transport alone brings nothing there but what the cells smear, which other cells see.
        """
        noisy = np.isfinite(self.flow.inverse_temperature)
        if not (noisy or self.flow.reacts):
            return None
        sides = [side for axis in range(masses.ndim) for side in self._sides(axis, masses)]
        lost = sum(float(side.beyond.sum()) for side in sides)
        if lost <= DUST:
            return None
        worst = max(sides, key=lambda side: float(side.beyond.sum())).axis
        problem = f"about {min(lost, 1.0):.1g} of the law lies beyond the grid along {self.geometry.names[worst]}"
        if not (lost <= LOST):
            return Leftover((np.inf,) * 3, problem, self._remedy)
        errors = sum((self._changes(side, masses, gradient) for side in sides), np.zeros(3))
        return Leftover(tuple(errors.tolist()), problem, self._remedy, lost)

    def _changes(self, side: _Side, masses: Array, gradient: Array) -> Array:
        """What R, F and D change by to first order with the mass beyond one end, which takes from all of the law.

        F gains 2 (G - G_bar) of it, and 1/beta of it where there was none; D that of a drift and a spread of G that
        are those at the end.
        """
        axis, last, before, beyond = side
        psi = self.psi(gradient)
        drift = psi + self.confinement
        full, noise = drift.copy(), 1.0 / self.flow.inverse_temperature
        if self.log_measure is not None:
            held = masses > 0.0
            full[held] += 0.5 * noise * (np.log(masses[held]) - self.log_measure[held])
        rows = np.arange(len(last))

        def ends(part: Array) -> tuple[Array, Array]:
            apart = self.flow.excess(part.ravel(), masses.ravel()).reshape(part.shape)
            lines = np.moveaxis(apart, axis, -1).reshape(len(rows), -1)
            return lines[rows, last], lines[rows, before]

        def steepness(part: Array) -> Array:
            face, inner = ends(part)
            centre = self.grid.centres[axis]
            apart = np.where(last == before, np.inf, centre[last] - centre[before])
            return np.asarray(self.flow.transport * self.geometry.mobility[axis] * ((face - inner) / apart) ** 2)

        own, whole = np.abs(ends(psi)[0]), np.abs(ends(full)[0])
        rates = steepness(drift) + steepness(full) + self.flow.rate * whole**2
        return np.array([2.0 * beyond @ own, beyond @ (2.0 * whole + noise), 2.0 * beyond @ rates])

    @property
    def _remedy(self) -> str:
        if np.isinf(self.flow.inverse_temperature):
            other = 'use the scheme "characteristics"'
        elif self.flow.reacts:
            other = "lower the rate of birth and death"
        else:
            other = 'use the scheme "particles"'
        return f"use more {{cells}} if they are few, end earlier, or {other}"

    def _sides(self, axis: int, masses: Array) -> list[_Side]:
        """What lies beyond both ends of the lines of cells along an axis, where the space goes on there."""
        edges, centre, kind = self.grid.edges[axis], self.grid.centres[axis], self.geometry.axes[axis]
        count, widths = len(centre), np.diff(edges)
        if count < 2 or kind.cells(count) is not None:
            return []
        lines, first = (np.moveaxis(law, axis, -1).reshape(-1, count) for law in (masses, self.initial))
        rows, held = np.arange(len(lines)), lines > 0.0
        span, found = float(edges[-1] - edges[0]), []
        for end, step in ((0, 1), (count - 1, -1)):
            last = held.argmax(axis=1) if step == 1 else count - 1 - held[:, ::-1].argmax(axis=1)
            open_there = edges[0] > kind.lower if step == 1 else edges[-1] < kind.upper
            ends = np.where(last == end, open_there, first[rows, last] < UNDERFLOW) & held.any(axis=1)
            before = np.clip(last + step, 0, count - 1)
            outer, inner = lines[rows, last] / widths[last], lines[rows, before] / widths[before]
            apart = np.maximum(np.abs(centre[last] - centre[before]), np.finfo(float).tiny)
            # density over its decay rate at the end; all of the axis where it does not fall
            ratio = np.maximum(inner, outer) / np.where(outer > 0.0, outer, 1.0)
            fall = np.log(np.where(ratio < np.inf, np.maximum(ratio, 1.0), np.finfo(float).max)) / apart
            reach = np.exp(-0.5 * fall * widths[last]) / np.maximum(fall, 1.0 / span)
            found.append(_Side(axis, last, before, np.where(ends, outer * reach, 0.0)))
        return found


class _Side(NamedTuple):
    """One end of all lines of cells along an axis: last cells, those before them, the mass beyond, shape (n,) each."""

    axis: int
    last: IntArray
    before: IntArray
    beyond: Array
