"""Tensor grids of cells in one to three coordinates: uniform, or graded after a cheap run of characteristics.

A radius whose axis starts at 0 has an *origin cell*: half as wide as its neighbour and represented by the
point 0 itself, so that mass that has come to rest at the origin is held there exactly. Every other cell is
represented by its centre, up to a shift of second order on graded axes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.fft import irfft, rfft

from ..arrays import Array
from ..roots import root
from .axis import Axis
from .geometry import Geometry
from .quantiles import LEVELS

if TYPE_CHECKING:
    from .trails import Trails

FINE = 8192  # samples of the width function per axis
REACH, PERIOD = round(4 * FINE / 100), 9000
ROUNDING = np.exp(-0.5 * (100.0 / FINE * np.arange(-REACH, REACH + 1)) ** 2)
"""A Gaussian of a hundredth of the samples, which rounds the corners of widths; a period that is fast to transform."""
HALF = 0.75
"""Between the half of an origin cell and the whole of another one, relative to the next."""


@dataclass(frozen=True)
class Grid:
    """A tensor grid of cells.

    Attributes:
        edges: cell edges per axis, increasing, shape (n_a + 1,) each.
        centres: the points that represent the cells, per axis, shape (n_a,) each; see `grid_from_edges`.
    """

    edges: tuple[Array, ...]
    centres: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells per axis."""
        return tuple(len(centre) for centre in self.centres)

    @property
    def widths(self) -> tuple[Array, ...]:
        """Cell widths per axis."""
        return tuple(np.diff(edge) for edge in self.edges)

    @property
    def volumes(self) -> Array:
        """Cell volumes, of the grid's shape; a cell of no width along an axis counts by the others."""
        volumes = np.ones(())
        for width in self.widths:
            volumes = np.multiply.outer(volumes, np.where(width > 0.0, width, 1.0))
        return np.asarray(volumes, dtype=float)

    @property
    def points(self) -> Array:
        """Representative points of all cells in C order, shape (n, D)."""
        return np.stack([axis.ravel() for axis in np.meshgrid(*self.centres, indexing="ij")], axis=1)

    def longer(self, periods: Sequence[float | None], past: int | None = None) -> Grid:
        """The grid that goes on past the cut, by `past` cells or a turn each way, along axes that close."""
        edges, centres = list(self.edges), list(self.centres)
        for a, period in enumerate(periods):
            if period is not None:
                edge, centre = edges[a], centres[a]
                more = len(centre) if past is None else past
                edges[a] = np.concatenate([edge[-1 - more : -1] - period, edge, edge[1 : 1 + more] + period])
                centres[a] = np.concatenate([centre[-more:] - period, centre, centre[:more] + period])
        return Grid(tuple(edges), tuple(centres))

    def axis(self, index: int) -> Grid:
        """The one-dimensional grid of one axis."""
        return Grid((self.edges[index],), (self.centres[index],))

    def moments(self, masses: Array, axis: int) -> tuple[float, float]:
        """Mean and variance along one axis of the law that is linear in each cell (an atom in an origin cell)."""
        others = tuple(a for a in range(len(self.shape)) if a != axis)
        marginal = masses.sum(axis=others)
        edge, width = self.edges[axis], self.widths[axis]
        atom = self.centres[axis] == edge[:-1]
        centre = np.where(atom, edge[:-1], 0.5 * (edge[:-1] + edge[1:]))
        total = float(marginal.sum())
        spread = np.where(atom, 0.0, width**2 / 12.0)
        rise = np.zeros(len(centre))
        if len(centre) > 2:
            line = marginal / width
            rise[1:-1] = (line[2:] - line[:-2]) / (centre[2:] - centre[:-2])
            rise = np.clip(rise, -2.0 * line / width, 2.0 * line / width)
        tilt = rise * width * spread
        mean = float(marginal @ centre + tilt.sum()) / total
        offset = centre - mean
        return mean, float(marginal @ (offset**2 + spread) + 2.0 * tilt @ offset) / total

    def deposit(self, positions: Array, weights: Array) -> Array:
        """Masses of the cells for the atomic law sum_i weights_i delta_{positions_i}, first moment kept.

        Each atom is shared multilinearly among the representative points around it; one beyond the outermost
        point goes to it.

        Args:
            positions: shape (n, D).
            weights: shape (n,).
        """
        lower, share = np.zeros(len(positions), dtype=np.int64), []
        for axis, centre in enumerate(self.centres):
            lower *= len(centre)
            if len(centre) == 1:
                continue
            index = np.clip(np.searchsorted(centre, positions[:, axis]) - 1, 0, len(centre) - 2)
            fraction = (positions[:, axis] - centre[index]) / (centre[index + 1] - centre[index])
            lower += index
            share.append((axis, np.clip(fraction, 0.0, 1.0)))
        masses = np.zeros(math.prod(self.shape))
        for corner in itertools.product((0, 1), repeat=len(share)):
            portion, step = np.array(weights, dtype=float), 0
            for side, (axis, fraction) in zip(corner, share, strict=True):
                portion *= fraction if side else 1.0 - fraction
                step += side * math.prod(self.shape[axis + 1 :])
            masses += np.bincount(lower + step, portion, len(masses))
        return masses.reshape(self.shape)


def grid_from_edges(edges: Sequence[Array], origin: Sequence[bool]) -> Grid:
    """Grid with the given edges per axis; `origin[a]` makes the first cell of axis a an origin cell.

    Raises:
        ValueError: an axis whose edges do not increase.
    """
    centres = []
    for axis, (edge, at_origin) in enumerate(zip(edges, origin, strict=True)):
        if not (len(edge) >= 2 and np.all(np.diff(edge) > 0)):
            raise ValueError(f"edges of axis {axis} must be at least two increasing numbers, got {edge!r}")
        centre = 0.5 * (edge[1:] + edge[:-1])
        centre[1:-1] -= _shift(np.diff(edge))
        if at_origin:
            centre[0], centre[1:2] = edge[0], 0.5 * (edge[1:2] + edge[2:3])
        centres.append(centre)
    return Grid(tuple(np.asarray(edge, dtype=float) for edge in edges), tuple(centres))


def brought_back(masses: Array, periods: Sequence[float | None]) -> Array:
    """Masses on a grid that is `longer` by turns, those of the turns added up."""
    for a, period in enumerate(periods):
        if period is not None:
            turns = np.moveaxis(masses, a, 0)
            masses = np.moveaxis(turns.reshape(3, -1, *turns.shape[1:]).sum(axis=0), 0, a)
    return masses


def recorded_grid(edges: Sequence[Array]) -> Grid:
    """The grid whose edges were recorded.

    Widths of graded cells hardly differ from one to the next: a first cell at 0 of less than `HALF` the width of its
    neighbour is an origin cell. A cell of no width is an atom.
    """
    if any(len(edge) < 2 or not np.all(np.diff(edge) > 0.0) for edge in edges):
        return Grid(tuple(edges), tuple(0.5 * (edge[1:] + edge[:-1]) for edge in edges))
    origin = [len(edge) > 2 and edge[0] == 0.0 and edge[1] < HALF * (edge[2] - edge[1]) for edge in edges]
    return grid_from_edges(edges, origin)


def _shift(width: Array) -> Array:
    """(h_{i+1} - h_{i-1}) / 12, from the middle of an inner cell to the point that represents it.

    With these points sum_i m_i x_i is the mean of a smooth law to fourth order, where the middles of graded
    cells leave E[h h'] / 6.
    """
    return np.asarray(np.clip((width[2:] - width[:-2]) / 12.0, -0.25 * width[1:-1], 0.25 * width[1:-1]), dtype=float)


def graded_grid(guide: Trails, geometry: Geometry, cells: int | Sequence[int], growth: float = 0.08) -> Grid:
    """Grid on the region the guide visits, finest where its law is narrow.

    On each axis the wanted width at x is the inverse cube root of the largest density that the law's marginal has there
    at any time (which equidistributes the error h^2 rho of a second-order scheme); it is then made smooth (neighbouring
    widths differ by a factor of at most about 1 + growth) and scaled to the number of cells. An axis on which all atoms
    agree and that does not move gets one cell; circles are laid out whole in equal cells, and signs in two. What is
    narrower than two cells of the uniform grid is not resolved: a law that collapses to a point keeps a grid of
    moderate widths.

    Args:
        guide: where the law goes.
        geometry: bounds and mobility.
        cells: cells per axis, or one number for all.
        growth: bound of |d width / dx|.

    Raises:
        ValueError: guide of the wrong shape or not finite.
    """
    positions = np.asarray(guide.positions, dtype=float)
    if positions.ndim != 3 or positions.shape[2] != geometry.dimension or not np.isfinite(positions).all():
        raise ValueError(
            f"guide positions must be finite with shape (times, atoms, {geometry.dimension}), got {positions.shape}"
        )
    counts = [cells] * geometry.dimension if isinstance(cells, int) else list(cells)
    edges, origin = [], []
    for a, axis in enumerate(geometry.axes):
        path = positions[:, :, a]
        whole = axis.cells(counts[a])
        if whole is not None:
            edges.append(whole)
            origin.append(False)
            continue
        if np.ptp(path) == 0.0:
            half = 1e-6 * max(1.0, abs(float(path[0, 0])))
            edges.append(np.array([path[0, 0] - half, path[0, 0] + half]))
            origin.append(False)
            continue
        lower, upper = _extent(path, guide.weights, axis, counts[a])
        samples = np.linspace(lower, upper, FINE + 1)
        width = _wanted_width(guide.quantiles(a), samples, counts[a])
        at_origin = axis.even and lower == axis.lower
        edges.append(_edges(samples, width, counts[a], at_origin, growth))
        origin.append(at_origin)
    return grid_from_edges(edges, origin)


def _extent(path: Array, weights: Array, axis: Axis, cells: int) -> tuple[float, float]:
    """Interval that holds the law at all times with a margin; it reaches an end of the axis only where mass comes
    near."""
    kept = path[:, weights > 1e-13 * weights.sum()]
    low, high = kept.min(axis=1), kept.max(axis=1)
    travelled = float(high.max() - low.min())
    margin = np.maximum(0.12 * (high - low), min(0.1, 0.02 + 4.0 / cells) * travelled)
    lower, upper = float((low - margin).min()), float((high + margin).max())
    if lower < axis.lower + 0.02 * (upper - axis.lower):
        lower = axis.lower
    if upper > axis.upper - 0.02 * (axis.upper - lower):
        upper = axis.upper
    return lower, upper


def _wanted_width(path: Sequence[Array], samples: Array, cells: int) -> Array:
    """1 / cbrt of the largest density of laws of these quantiles; what `cells` cannot show is smoothed."""
    span = samples[-1] - samples[0]
    half = span / cells
    density = np.full(len(samples), 0.25 / span)
    for quantiles in path:
        within = np.interp(samples + half, quantiles, LEVELS) - np.interp(samples - half, quantiles, LEVELS)
        np.maximum(density, within / (2.0 * half), out=density)
    return np.asarray(density ** (-1.0 / 3.0), dtype=float)


def _edges(samples: Array, wanted: Array, cells: int, at_origin: bool, growth: float) -> Array:
    """Edges of cells whose widths follow c * wanted with |d width / dx| <= growth, c found by root search."""
    total = cells - 0.5 * at_origin
    step = samples[1] - samples[0]

    def places_at(scale: float) -> Array:
        # The filter rounds the corners of the slope-limited width: smooth gradings keep the order.
        width = _rounded(_limit_slope(scale * wanted, growth * step))
        return np.concatenate([[0.0], np.cumsum(step * (1.0 / width[1:] + 1.0 / width[:-1]) / 2.0)])

    def excess(log_scale: float) -> float:
        return float(np.log(places_at(float(np.exp(log_scale)))[-1] / total))

    # widths are below scale * wanted but where the filter fills a narrow valley of them
    low = float(np.log(np.sum(step / wanted) / total)) - 0.1
    while excess(low) < 0.0:
        low -= 1.0
    high = low + 1.0
    while excess(high) > 0.0:
        high += 1.0
    places = places_at(float(np.exp(root(excess, low, high, 1e-9))))
    targets = np.arange(cells + 1) - 0.5 * at_origin
    targets[0] = 0.0
    edges: Array = np.interp(targets * (places[-1] / total), places, samples)
    edges[0], edges[-1] = samples[0], samples[-1]
    return edges


def _rounded(width: Array) -> Array:
    """Means of widths with the weights `ROUNDING`, beyond the ends those of the ends."""
    padded = np.pad(width, REACH, mode="edge")
    whole = irfft(rfft(padded, PERIOD) * rfft(ROUNDING / ROUNDING.sum(), PERIOD), PERIOD)
    return np.asarray(whole[2 * REACH : len(padded)])


def _limit_slope(width: Array, rise: float) -> Array:
    """Largest function below `width` that changes by at most `rise` from sample to sample."""
    steps = rise * np.arange(len(width))
    forward = np.minimum.accumulate(width - steps) + steps
    backward = np.minimum.accumulate((width + steps)[::-1])[::-1] - steps
    limited: Array = np.minimum(forward, backward)
    return limited
