"""The one-dimensional finite element behind feature tables, and averages over grid cells, both by basix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ...arrays import Array

CHUNK = 2048
"""Points per evaluation of a source: it may hold hundreds of raw features and their gradients per point."""


@dataclass(frozen=True)
class Reference:
    """Lagrange element of degree q on [0, 1] with nodes warped to the Gauss-Lobatto points.

    Attributes:
        nodes: increasing, shape (q+1,).
        points: the nodes, then the midpoints between them, shape (2q+1,): errors of the value are largest
            near the midpoints, errors of the slope at the nodes.
        interpolation: basis at the points, shape (2q+1, q+1).
        derivative: derivative of the basis at the points, shape (2q+1, q+1).
    """

    nodes: Array
    points: Array
    interpolation: Array
    derivative: Array


@cache
def reference_element(degree: int) -> Reference:
    """The basix element of this degree, its degrees of freedom sorted from left to right."""
    import basix

    element = basix.create_element(
        basix.ElementFamily.P, basix.CellType.interval, degree, basix.LagrangeVariant.gll_warped
    )
    order = np.argsort(element.points[:, 0])
    nodes = element.points[order, 0]
    points = np.concatenate([nodes, 0.5 * (nodes[1:] + nodes[:-1])])
    tables = element.tabulate(1, points[:, None])[:, :, order, 0]
    return Reference(nodes, points, tables[0], tables[1])


def axis_nodes(edges: Array, degree: int) -> Array:
    """Nodes of one axis, shape (cells * degree + 1,), shared by neighbouring cells."""
    inner = edges[:-1, None] + np.diff(edges)[:, None] * reference_element(degree).nodes[None, :-1]
    return np.append(inner.ravel(), edges[-1])
