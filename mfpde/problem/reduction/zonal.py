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

from dataclasses import dataclass

import numba
import numpy as np
from scipy import linalg, special

from mfpde.problem.reduction.hermite import log_rising
from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.problem.reduction.sphere import mean_on_sphere
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures
from mfpde.solvers.objective.table.elements import axis_nodes
from mfpde.solvers.objective.table.feature_table import FeatureTable

RADIAL_NODES = {2: 2_000, 3: 1_000}
"""Nodes of the trapezoidal rule in log rho for two blocks, by sum_j p_j; 400 in more dimensions."""
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
HIGHEST = 1200
CHECKED_CELLS = {1: 32, 2: 8}
"""Cells of the table in the middle of which F_l is measured, by the number of blocks."""
WIDEST_PANEL, NARROW_PANEL = 0.1, 0.02
"""In log rho: the widest panel of a split rule, and that below which a few nodes do."""
CHOLESKY = 0.1
"""Share of a threshold down to which Cholesky's algorithm goes, so that turning its columns finds the fewest."""
STEP = 1e-4
"""Width of a ramp over s below which it is a mean of steps."""
STEP_SHARES = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0)
"""Where on a ramp they are: Gauss's rule of two nodes."""
FINER = 3
"""Nodes in log rho of the measurement over those of the features, for two blocks."""


@dataclass(frozen=True)
class ZonalFeatures(DenseFeatures):
    """The features (q_+, q_-, R_{l,m} Y_l of class +, of class -).

    Attributes:
        unit: sigma.
        scales: s_{±,j}, shape (2, B).
        dimensions: p_j, shape (B,).
        degrees: l of each radial function, shape (n,), even.
        radial: the R_{l,m} as functions of log tau, rank n, the weight 1/2 of a class included.
    """

    unit: PiecewiseLinear
    scales: Array
    dimensions: Array
    degrees: Array
    radial: FeatureTable

    @property
    def dimension(self) -> int:
        return int(self.scales.shape[1])

    @property
    def rank(self) -> int:
        return 2 + 2 * len(self.degrees)

    def values(self, points: Array) -> Array:
        return self._evaluate(points, gradients=False)[0]

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self._evaluate(points, gradients=True)

    def _evaluate(self, points: Array, gradients: bool) -> tuple[Array, Array]:
        n, count, blocks = len(points), len(self.degrees), self.dimension
        values = np.empty((n, self.rank))
        slopes = np.empty((n, self.rank if gradients else 0, blocks))
        for sign in (0, 1):
            scales = self.scales[sign]
            tau = np.sqrt(((points * scales) ** 2).sum(axis=1))
            at_origin = tau == 0.0
            safe = np.where(at_origin, 1.0, tau)
            unit = points * scales / safe[:, None]
            mean = self.unit.mean(tau, np.zeros(n))
            radial, radial_slope = self._radial(tau, gradients)
            angular, angular_slope = self._angular(unit[:, 0] ** 2)
            part = slice(2 + sign * count, 2 + (sign + 1) * count)
            values[:, sign] = mean.value
            _multiply(radial, angular, self.degrees, values[:, part])
            if not gradients:
                continue
            # at the origin, one-sided along each axis
            along = np.where(at_origin[:, None], scales, scales * unit)
            slopes[:, sign] = mean.by_scale[:, None] * along
            share = 2.0 * scales * unit / safe[:, None] * (np.eye(blocks)[0] - unit[:, :1] ** 2)
            ends = self._angular(np.eye(blocks)[0])[0]
            parts = (radial, radial_slope, angular, angular_slope)
            _differentiate(*parts, self.degrees, along, share, ends, at_origin, slopes[:, part])
        return values, slopes

    def _radial(self, tau: Array, gradients: bool) -> tuple[Array, Array]:
        """R_{l,m}(tau) and derivative; linear in tau below the table, where only a knot at 0 acts."""
        lowest, highest = np.exp(self.radial.edges[0][[0, -1]])
        inside = np.clip(tau, lowest, highest)
        log_tau = np.clip(np.log(inside), *self.radial.edges[0][[0, -1]])[:, None]
        if not gradients:
            values = self.radial.values(log_tau)
            return values * np.minimum(tau / lowest, 1.0)[:, None], np.empty((0, 0))
        values, slopes = self.radial.values_and_gradients(log_tau)
        below = (tau < lowest)[:, None]
        slope = np.where(below, values / lowest, slopes[:, :, 0] / inside[:, None])
        return values * np.minimum(tau / lowest, 1.0)[:, None], slope

    def _angular(self, square: Array) -> tuple[Array, Array]:
        """Y_l / max |Y_l| and its derivative in u_1^2 for l = 0, 2, ... up to the highest degree, each (n, count)."""
        if self.dimension == 1:
            return np.ones((len(square), 1)), np.zeros((len(square), 1))
        return invariant_harmonics(square, int(self.degrees.max(initial=0)) // 2, *self.dimensions)


@numba.njit(cache=True)
def _multiply(radial: Array, angular: Array, degrees: Array, out: Array) -> None:
    """out[n, f] = radial[n, f] angular[n, degrees[f] / 2]."""
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            out[n, f] = radial[n, f] * angular[n, degrees[f] // 2]


@numba.njit(cache=True)
def _differentiate(
    radial: Array,
    radial_slope: Array,
    angular: Array,
    angular_slope: Array,
    degrees: Array,
    along: Array,
    share: Array,
    ends: Array,
    at_origin: Array,
    out: Array,
) -> None:
    """The gradient of radial[n, f] angular[n, degrees[f] / 2], tau moving by `along` and u_1^2 by `share` per axis.

    At the origin, where u_1^2 has no value, each axis takes its own end, a row of `ends`.
    """
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            k = degrees[f] // 2
            grown, turned = radial_slope[n, f], radial[n, f] * angular_slope[n, k]
            for j in range(out.shape[2]):
                here = ends[j, k] if at_origin[n] else angular[n, k]
                out[n, f, j] = grown * here * along[n, j] + turned * share[n, j]


def invariant_harmonics(square: Array, highest: int, first: float, second: float) -> tuple[Array, Array]:
    """Y_l / max |Y_l| and its derivative for l = 0, 2, ..., 2 highest, at x = u_1^2 of shape (n,).

    The recurrence of the orthonormal polynomials of Beta(first/2, second/2), divided by their values at the pole of the
    smaller block: these grow like p^(l/2) and would overflow.
    """
    a, b = second / 2 - 1, first / 2 - 1
    t = 2 * square - 1
    values, slopes = np.ones((len(t), highest + 1)), np.zeros((len(t), highest + 1))
    # t Y_k = off_{k+1} Y_{k+1} + centre_k Y_k + off_k Y_{k-1}
    k = np.arange(highest + 1, dtype=float)
    total = 2 * k + a + b
    centre = np.full(highest + 1, (b - a) / (a + b + 2))
    centre[1:] = (b * b - a * a) / (total[1:] * (total[1:] + 2))
    off = np.zeros(highest + 2)
    if highest >= 1:
        off[1] = np.sqrt(4 * (a + 1) * (b + 1) / ((a + b + 2) ** 2 * (a + b + 3)))
    m = np.arange(2, highest + 1, dtype=float)
    s = 2 * m + a + b
    off[2 : highest + 1] = np.sqrt(4 * m * (m + a) * (m + b) * (m + a + b) / (s**2 * (s + 1) * (s - 1)))
    pole = log_pole(highest, first, second)
    step = np.exp(pole[:-1] - pole[1:]) / off[1 : highest + 1]
    back = np.zeros(highest)
    back[1:] = off[1:highest] * np.exp(pole[:-2] - pole[2:]) / off[2 : highest + 1]
    _recur(t, centre, step, back, values, slopes)
    return values, slopes


@numba.njit(cache=True)
def _recur(t: Array, centre: Array, step: Array, back: Array, values: Array, slopes: Array) -> None:
    """Y_{k+1} = step_k (t - centre_k) Y_k - back_k Y_{k-1} and its derivative in (1 + t) / 2, from Y_0 in column 0."""
    for n in range(t.size):
        previous, previous_slope = 0.0, 0.0
        for k in range(step.size):
            value, slope = values[n, k], slopes[n, k]
            away = t[n] - centre[k]
            values[n, k + 1] = step[k] * away * value - back[k] * previous
            slopes[n, k + 1] = step[k] * (2.0 * value + away * slope) - back[k] * previous_slope
            previous, previous_slope = value, slope


def log_pole(highest: int, first: float, second: float) -> Array:
    """log max |Y_l| for l = 0, 2, ..., 2 highest, attained at the pole of the smaller block."""
    a, b = second / 2 - 1, first / 2 - 1
    j = np.arange(1, highest + 1, dtype=float)
    factorial = log_rising(1.0, highest)
    log_norm = log_rising(a + 1, highest) + log_rising(b + 1, highest) - factorial - log_rising(a + b + 2, highest)
    # at l = 0 this is 1, even where a + b + 1 = 0
    log_norm[1:] += np.log1p(-j / (2 * j + a + b + 1))
    return np.asarray(log_rising(max(a, b) + 1, highest) - factorial - 0.5 * log_norm)


def chi_range(dimension: float) -> tuple[float, float]:
    """Where the chi law has its mass, to 1e-17."""
    lower = max(1e-17 ** (1.0 / (dimension + 2)), float(np.sqrt(2 * special.gammaincinv(dimension / 2, 1e-17))))
    return lower, float(np.sqrt(2 * special.gammainccinv(dimension / 2, 1e-17)))


def _log_chi_density(dimension: float, rho: Array) -> Array:
    """Density of log rho for the chi law."""
    log_density = special.xlogy(dimension, rho) - rho**2 / 2 - special.gammaln(dimension / 2)
    return np.asarray(np.exp(log_density - (dimension / 2 - 1) * np.log(2.0)))


def chi_rule(dimension: float, count: int) -> tuple[Array, Array]:
    """Trapezoidal rule in log rho for the chi law: nodes and weights, shape (count,)."""
    nodes = np.geomspace(*chi_range(dimension), count)
    return nodes, _log_chi_density(dimension, nodes) * np.log(nodes[1] / nodes[0])


def split_chi_rule(dimension: float, breaks: Array) -> tuple[Array, Array]:
    """Gauss rule in log rho for the chi law, split at `breaks`, where half-integer powers of log rho may start.

    With t = a + (b - a) v^2 on a panel [a, b] these are polynomials in v.
    """
    lower, upper = np.log(chi_range(dimension))
    inner = np.log(breaks[(breaks > np.exp(lower)) & (breaks < np.exp(upper))])
    panels = int(np.ceil((upper - lower) / WIDEST_PANEL))
    edges = np.unique(np.concatenate([np.linspace(lower, upper, panels + 1), inner]))
    edges = edges[np.append(True, np.diff(edges) > 1e-13)]
    width = np.diff(edges)
    nodes, weights = [], []
    for chosen, order in ((width <= NARROW_PANEL, 5), (width > NARROW_PANEL, 12)):
        v, w = np.polynomial.legendre.leggauss(order)
        v, w = 0.5 * (v + 1.0), 0.5 * w
        span = width[chosen, None]
        rho = np.exp(edges[:-1][chosen, None] + span * v**2)
        nodes.append(rho.ravel())
        weights.append((_log_chi_density(dimension, rho) * span * 2.0 * v * w).ravel())
    return np.concatenate(nodes), np.concatenate(weights)


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
    grid, checked = (_Kernels(unit, dimensions, scales, finer) for scales, finer in ((tau, 1), (between, FINER)))
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


class _Kernels:
    """max Y_l^2 F_l / 2 at pairs of the scales tau: F_0 without q q' once, then l = 2, 4, ..., one call each.

    Args:
        finer: factor on the nodes in log rho of two blocks; the rule of one block is exact.
    """

    def __init__(self, unit: PiecewiseLinear, dimensions: Array, tau: Array, finer: int) -> None:
        self._unit, self._tau, self._total = unit, tau, float(dimensions.sum())
        if len(dimensions) == 1:
            distances = np.abs(unit.knots[unit.knots != 0.0])
            self._rule = split_chi_rule(self._total, np.divide.outer(distances, tau).ravel())
        else:
            self._rule = chi_rule(self._total, finer * RADIAL_NODES.get(int(self._total), 400))
            self._harmonics = _Gegenbauer(unit, dimensions, tau, self._rule[0])

    def centred(self) -> Array:
        """That of l = 0, shape (n, n)."""
        return 0.5 * _centred_kernel(self._unit, self._total, self._tau, *self._rule)

    def root(self) -> Array:
        """A root of the next one, shape (n, nodes)."""
        return self._harmonics.next() * np.sqrt(0.5 * self._rule[1])

    def kernel(self) -> Array:
        """The next one, shape (n, n)."""
        root = self.root()
        return np.asarray(root @ root.T)


def _centred_kernel(unit: PiecewiseLinear, total: float, tau: Array, rho: Array, weights: Array) -> Array:
    """F_0 minus q q': the covariance over rho of g_0(tau rho), with q in closed form."""
    chunks = np.array_split(np.arange(len(rho)), max(1, len(rho) * len(tau) // 4_000_000))
    second = np.zeros((len(tau), len(tau)))
    for part in chunks:
        radius = np.outer(tau, rho[part])
        samples = mean_on_sphere(unit, radius.ravel(), total).reshape(radius.shape)
        second += (samples * weights[part]) @ samples.T
    mean = unit.mean(tau, np.zeros_like(tau)).value - unit(np.zeros(1))
    return second - np.outer(mean, mean)


class _Gegenbauer:
    """g_l(tau rho) max |Y_l| for l = 2, 4, ..., one call of `next` each, by the recurrence in the degree.

    Where a ramp is narrow against s its two kinks would cancel: it is a mean of steps, each integrated by parts once,
    E[1{n > x} C^_l(n)] = (1 - x^2)_+^{(p-1)/2} C^_{l-1}^(p/2)(x) / ((p - 1) W).
    """

    def __init__(self, unit: PiecewiseLinear, dimensions: Array, tau: Array, rho: Array) -> None:
        total, pieces = float(dimensions.sum()), unit.pieces
        radius = np.outer(tau, rho)
        poles = log_pole(HIGHEST // 2 + 1, *dimensions)[1:]
        norm = (total - 1) * special.beta(0.5, (total - 1) / 2)
        narrow = pieces.widths[:, None, None] < STEP * radius
        slopes = np.broadcast_to(pieces.slopes[:, None, None], (len(pieces.slopes), *radius.shape)).copy()
        slopes[1:-1][narrow] = 0.0
        x = _within(pieces.knots[:, None, None] / radius)
        hinges = np.diff(slopes, axis=0) * radius / ((total + 1) * norm)
        self._series = [_Series(x, hinges, total / 2 + 1, 0, poles)]
        if narrow.any():
            for share in STEP_SHARES:
                x = _within((pieces.knots[:-1] + share * pieces.widths)[:, None, None] / radius)
                steps = np.where(narrow, pieces.rises[:, None, None] / (len(STEP_SHARES) * norm), 0.0)
                self._series.append(_Series(x, steps, total / 2, 1, poles))

    def next(self) -> Array:
        """g_l max |Y_l| on the (tau, rho) grid for the next even l."""
        samples = np.zeros(self._series[0].x.shape[1:])
        for series in self._series:
            series.add(samples)
        return samples


class _Series:
    """Sums of weights times (1 - x^2)^(index - 1/2) C^_k^(index)(x) in the degrees k = first, first + 2, ...

    The polynomials are carried orthonormal and with their weight, as Hermite functions are: at p in the tens of
    thousands neither g_l nor Y_l alone is a floating-point number.

    Args:
        x: shape (K, n, q), within [-1, 1].
        weights: of that shape.
        index: of the polynomials.
        first: 0 or 1.
        poles: log max |Y_l| of the degrees.
    """

    def __init__(self, x: Array, weights: Array, index: float, first: int, poles: Array) -> None:
        self.x, self.degree = x, first
        k = np.arange(HIGHEST + 2, dtype=float)
        # 1 / N_k is the squared norm of C^_k
        log_count = np.log1p(k / index) + log_rising(2 * index, HIGHEST + 1) - log_rising(1.0, HIGHEST + 1)
        self.ratio = np.exp(poles - 0.5 * log_count[first::2])
        # off the diagonal of the Jacobi matrix of the orthonormal Gegenbauer polynomials of this index
        k = np.arange(1, HIGHEST + 4, dtype=float)
        self.off = np.append(0.0, np.sqrt(k * (k + 2 * index - 1) / (4 * (k + index) * (k + index - 1))))
        start = weights * np.exp(special.xlog1py(index - 0.5, -(x**2)))
        self.previous, self.current = np.zeros_like(x), start
        if first == 1:
            self.previous, self.current = start, x * start / self.off[1]

    def add(self, samples: Array) -> None:
        """Add the sum in the next degree to the samples, shape (n, q)."""
        offs = self.off[self.degree : self.degree + 3]
        _advance(self.x, self.previous, self.current, offs, self.ratio[self.degree // 2], samples)
        self.degree += 2


def _within(x: Array) -> Array:
    return np.asarray(np.clip(x, -1.0, 1.0))


@numba.njit(cache=True)
def _advance(x: Array, previous: Array, current: Array, off: Array, ratio: float, samples: Array) -> None:
    """Add ratio current[i] to the samples, and take two steps of off_{j+1} C_{j+1} = x C_j - off_j C_{j-1}."""
    for i in range(x.shape[0]):
        for n in range(x.shape[1]):
            for q in range(x.shape[2]):
                before, now = previous[i, n, q], current[i, n, q]
                if before == 0.0 and now == 0.0:
                    continue
                samples[n, q] += ratio * now
                middle = (x[i, n, q] * now - off[0] * before) / off[1]
                previous[i, n, q] = middle
                current[i, n, q] = (x[i, n, q] * middle - off[1] * now) / off[2]
