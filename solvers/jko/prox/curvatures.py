"""How much tabulated functions bend: their second derivatives at all nodes of all cells of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ...objective.table.elements import reference_element

TOGETHER = 2**20
"""Entries that are formed at once."""


@dataclass(frozen=True)
class Curvatures:
    """Second derivatives along the mobile axes, times the roots of both mobilities.

    Attributes:
        operators: per axis what takes values at its nodes to values, slopes and second derivatives at the nodes of each
            of its cells, shape (3, cells (q + 1), nodes).
        roots: of the mobilities, shape (D,).
    """

    operators: tuple[Array, ...]
    roots: Array

    @classmethod
    def of(cls, edges: Sequence[Array], degree: int, mobilities: Array) -> Curvatures:
        count = degree + 1
        slope = reference_element(degree).derivative[:count]
        local = np.stack([np.eye(count), slope, slope @ slope])
        operators = []
        for ends in edges:
            cells = len(ends) - 1
            operator = np.zeros((3, cells, count, cells * degree + 1))
            for cell, width in enumerate(np.diff(ends)):
                scaled = local / np.array([1.0, width, width**2])[:, None, None]
                operator[:, cell, :, cell * degree : cell * degree + count] = scaled
            operators.append(operator.reshape(3, cells * count, -1))
        return cls(tuple(operators), np.sqrt(mobilities))

    def lowest(self, nodal: Array) -> float:
        """The smallest eigenvalue of a function with these values at the nodes, shape (nodes,); at most 0."""
        moving = np.flatnonzero(self.roots)
        matrices = np.zeros((self._places, moving.size, moving.size))
        for (a, b), entries in self._entries(nodal[:, None]):
            row, column = np.searchsorted(moving, a), np.searchsorted(moving, b)
            matrices[:, row, column] = matrices[:, column, row] = entries[:, 0]
        return float(np.linalg.eigvalsh(matrices).min(initial=0.0))

    def largest(self, nodal: Array) -> Array:
        """The largest root of the sum of squares, which no eigenvalue exceeds, of columns (nodes, M), shape (M,)."""
        found = []
        for part in np.array_split(nodal, 1 + nodal.shape[1] * self._places // TOGETHER, axis=1):
            squares = np.zeros((self._places, part.shape[1]))
            for (a, b), entries in self._entries(part):
                squares += (2.0 if a < b else 1.0) * entries**2
            found.append(np.sqrt(squares.max(axis=0, initial=0.0)))
        return np.concatenate(found)

    @property
    def _places(self) -> int:
        """Nodes of all cells."""
        return math.prod(operator.shape[1] for operator in self.operators)

    def _entries(self, nodal: Array) -> Iterator[tuple[tuple[int, int], Array]]:
        """(a, b), a <= b, and the entries there of columns (nodes, M), shape (places, M)."""
        columns = nodal.shape[1]
        moving = np.flatnonzero(self.roots).tolist()
        for place, a in enumerate(moving):
            for b in moving[place:]:
                found = nodal
                for axis, operator in enumerate(self.operators):
                    # the first axis is contracted and becomes the last one before the columns
                    order = int(axis == a) + int(axis == b)
                    found = operator[order] @ found.reshape(operator.shape[2], -1)
                    found = np.ascontiguousarray(np.swapaxes(found.reshape(operator.shape[1], -1, columns), 0, 1))
                yield (a, b), self.roots[a] * self.roots[b] * found.reshape(-1, columns)
