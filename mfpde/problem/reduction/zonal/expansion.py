"""Features of small isotropic blocks by zonal harmonics, for piecewise linear units and one or two blocks.

Write the whitened input as rho n with n uniform on S^{p-1}, p = sum_j p_j, rho ~ chi(p), and a neuron of class ± as
tau times a unit vector at the angle cos^2 = u_1^2 = (s_1 r_1 / tau)^2 to the first block. With Gegenbauer polynomials
C^_l = C_l^(p/2-1) / C_l^(p/2-1)(1), the Funk-Hecke formula and the addition theorem give

    E_±[phi phi'] = sum_{l even} F_l(tau, tau') Y_l(u_1^2) Y_l(u'_1^2),
    F_l(tau, tau') = E_rho[ g_l(tau rho) g_l(tau' rho) ],     g_l(s) = E_n[ sigma(s n) C^_l(n) ],

Y_l the one harmonic of degree l that is invariant under O(p_1) x O(p_2): the orthonormal Jacobi polynomial of degree
l / 2 for u_1^2 ~ Beta(p_1/2, p_2/2) (only l = 0 when there is one block). Two integrations by parts leave, for l >= 2,

    g_l(s) = s / ((p - 1)(p + 1) W) sum_i m_i (1 - x_i^2)_+^{(p+1)/2} C^_{l-2}^(p/2+1)(x_i),   x_i = k_i / s,

W = B(1/2, (p-1)/2). The singularities at s = |k_i| that make Gauss rules over the data fail sit in one variable here:
a rule in log rho that is split there (one block) or fine (two) resolves them, and an eigendecomposition on the nodes of
a one-dimensional table leaves a few radial functions R_{l,m}(tau) for each l. The features are R_{l,m}(tau) Y_l(u_1^2),
the R_{l,m} carrying max |Y_l|.

Between the nodes F_l is interpolated across its singularity |log(tau / tau')|^(p+2) on the diagonal, which no smooth
table resolves: the error is measured there against a rule of its own, and stated with that of the truncations.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.problem.reduction.zonal.features import ZonalFeatures
from mfpde.problem.reduction.zonal.kernels import HIGHEST, RadialKernels
from mfpde.problem.reduction.zonal.rules import chi_range
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.table.elements import axis_nodes
from mfpde.solvers.objective.table.feature_table import FeatureTable

TAU_CELLS = {1: 150, 2: 60}
"""Cells of the table per six units of log tau, by sum_j p_j; 50 in more dimensions."""
TABLE_ERROR = {2: 1e-8, 3: 4e-10}
"""What interpolation on them leaves of U in one block with kinks of 10; it falls like the -(p+2)th power of the cells.

At p = 1, where it is 7e-8, more cells cost more than they bring."""
UNSEEN = 1e-2
"""Share of the accuracy that U may move by below the least tau of a table, however near 0 a knot lies."""
MOST_CELLS = {2: 3.0, 3: 2.0}
"""Largest factor on the number of cells."""
DEGREE = 6
CHECKED_CELLS = {1: 32, 2: 8}
"""Cells of the table in the middle of which F_l is measured, by the number of blocks."""
CHOLESKY = 0.1
"""Share of a threshold down to which Cholesky's algorithm goes, so that turning its columns finds the fewest."""
FINER = 3
"""Nodes in log rho of the measurement over those of the features, for two blocks."""


def zonal_features(
    unit: PiecewiseLinear, mixture: BlockMixture, largest: float, accuracy: float
) -> tuple[ZonalFeatures, float]:
    """Features on tau <= largest with U accurate to about `accuracy`, and the estimated error.

    Args:
        largest: largest tau = sqrt(sum_j s_j^2 r_j^2) of the domain.
    """
    dimensions = np.asarray(mixture.dimensions, dtype=float)
    total, blocks = float(dimensions.sum()), len(mixture.dimensions)
    edges = _table_edges(unit, total, largest, accuracy, _cell_factor(int(total), accuracy) if blocks == 1 else 1.0)
    tau = np.exp(axis_nodes(edges, DEGREE))
    between, interpolation = _checked_scales(unit, edges, CHECKED_CELLS[blocks])
    grid, checked = (RadialKernels(unit, dimensions, scales, finer) for scales, finer in ((tau, 1), (between, FINER)))
    degrees: list[int] = []
    columns: list[Array] = []
    error, tail = 0.0, np.inf
    degree, quiet = 0, 0
    expected = 1.0 if blocks == 1 else max(20.0, 0.5 * accuracy ** (-1.0 / 3.0))
    while True:
        threshold = 0.5 * accuracy / expected
        functions, lefts = _eigenfunctions(grid.centred()) if degree == 0 else _principal(grid.root(), threshold)
        known = checked.centred() if degree == 0 else checked.kernel()
        between = interpolation @ functions
        measured = float(np.max(np.abs(between @ between.T - known)))
        # finer than what interpolation leaves is of no use
        rank = _enough(lefts, max(threshold, 0.1 * measured))
        columns += list(functions[:, :rank].T)
        degrees += [degree] * rank
        error += float(lefts[rank]) + measured
        term = float(lefts[0])
        # terms fall at least like l^-4: what is left is below term * l / 6
        tail = term * max(degree, 2) / 6.0
        quiet = quiet + 1 if tail < 0.5 * accuracy else 0
        if blocks == 1 or quiet >= 3 or degree >= HIGHEST:
            break
        degree += 2
    radial = _table(edges, np.stack(columns, axis=1))
    scales = np.asarray(mixture.scales, dtype=float).T.copy()
    features = ZonalFeatures(unit, scales, dimensions, np.array(degrees), radial)
    return features, error + (tail if blocks > 1 else 0.0)


def _cell_factor(dimension: int, accuracy: float) -> float:
    """Factor on the cells of the table of one block for an accuracy."""
    if dimension not in TABLE_ERROR:
        return 1.0
    wanted = (2.0 * TABLE_ERROR[dimension] / accuracy) ** (1.0 / (dimension + 2))
    return float(np.clip(wanted, 1.0, MOST_CELLS[dimension]))


def _table_edges(unit: PiecewiseLinear, total: float, largest: float, accuracy: float, factor: float) -> Array:
    """Cell edges in log tau, from where no kink is felt, or sigma moves by nothing to speak of."""
    distances = np.abs(unit.knots[unit.knots != 0.0])
    farthest = chi_range(total)[1]
    nearest = float(distances.min()) / farthest if distances.size else 1e-3 * largest
    steepness = float(np.abs(unit.kinks).sum()) + abs(unit.first_slope)
    size = float(np.max(np.abs(unit(largest * np.linspace(-farthest, farthest, 101)))))
    still = UNSEEN * accuracy / max(steepness * farthest * size, 1e-300)
    smallest = min(0.5 * largest, max(nearest, still))
    cells = int(np.ceil(np.log(largest / smallest) / 6.0 * factor * TAU_CELLS.get(int(total), 50))) + 4
    return np.linspace(np.log(smallest), np.log(largest), cells + 1)


def _table(edges: Array, nodal: Array) -> FeatureTable:
    """The radial functions with these values at the nodes."""
    nothing = np.zeros(1)
    return FeatureTable(
        edges=(edges,),
        degree=DEGREE,
        nodal=nodal,
        tolerance=np.inf,
        value_error=np.nan,
        gradient_error=np.nan,
        gradient_error_at=nothing,
        value_scale=np.max(np.abs(nodal), axis=0),
        gradient_scale=np.ones(nodal.shape[1]),
    )


def _checked_scales(unit: PiecewiseLinear, edges: Array, count: int) -> tuple[Array, Array]:
    """Scales tau halfway between nodes, and the matrix that interpolates from the nodes to them.

    F_l is singular where k / tau = k' / tau': the scales come with those that their kinks meet at other knots.
    """
    nodes = axis_nodes(edges, DEGREE)
    cells = np.unique(np.linspace(0, len(edges) - 2, count).astype(int))
    # the widest gaps of a cell
    gaps = (DEGREE * cells[:, None] + np.array([DEGREE // 2 - 1, DEGREE // 2])).ravel()
    middle = 0.5 * (nodes[gaps] + nodes[gaps + 1])
    distances = np.log(np.unique(np.abs(unit.knots[unit.knots != 0.0])))
    shifts = np.unique(np.append(np.subtract.outer(distances, distances), 0.0).round(12))
    places = np.unique(np.add.outer(middle, shifts))
    places = places[(places >= edges[0]) & (places <= edges[-1])]
    return np.exp(places), _table(edges, np.eye(len(nodes))).values(places[:, None])


def _eigenfunctions(kernel: Array) -> tuple[Array, Array]:
    """Functions with K = R R^T, and what is left of the diagonal with 0, 1, 2, ... of them."""
    eigenvalues, vectors = linalg.eigh(kernel)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    functions = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    left = np.sum(functions**2, axis=1)[:, None] - np.cumsum(functions**2, axis=1)
    positive = int(np.sum(eigenvalues > 1e-15 * eigenvalues[0]))
    lefts = np.concatenate([[float(np.max(np.diag(kernel)))], left.max(axis=0)])
    return functions[:, :positive], np.maximum(lefts[: positive + 1], 0.0)


def _principal(root: Array, threshold: float) -> tuple[Array, Array]:
    """The same for K = root root^T up to `threshold`, without K: Cholesky's algorithm, the largest pivot first, turned.

    The columns of Cholesky's algorithm span what the leading eigenfunctions do, and are a few more of them.
    """
    left = np.einsum("nq,nq->n", root, root)
    least = max(CHOLESKY * threshold, 1e-15 * float(left.max()))
    columns = np.empty((len(root), 0))
    while float(left.max()) > least and columns.shape[1] < len(root):
        pivot = int(np.argmax(left))
        column = (root @ root[pivot] - columns @ columns[pivot]) / np.sqrt(left[pivot])
        columns = np.column_stack([columns, column])
        left = np.maximum(left - column**2, 0.0)
    functions = columns @ linalg.eigh(columns.T @ columns)[1][:, ::-1] if columns.size else columns
    sizes = np.column_stack([functions**2, left])
    return functions, np.cumsum(sizes[:, ::-1], axis=1)[:, ::-1].max(axis=0)


def _enough(lefts: Array, threshold: float) -> int:
    """How many functions leave at most the threshold, or all."""
    below = np.flatnonzero(lefts <= threshold)
    return int(below[0]) if below.size else len(lefts) - 1
