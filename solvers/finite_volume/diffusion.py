"""Implicit drift and diffusion in finite volumes: reversible rates between cells, solved axis by axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..space.geometry import Geometry
from ..space.grid import Grid
from ..threads.blocks import in_blocks
from . import diffusion_kernels as kernels

STEEP = 16.0  # dimension of a radius above which omega is steeper than the laws on the grid
FLAT = 1e-6  # rise below which it and its exponential round to a line
BLOCK_CELLS = 2**12  # some 20 us of a thread
LEAST_LINES = 16  # of a block: two lines of the cache where lines lie side by side


class Diffusion:
    """Steps of d_t p = div(p grad Psi) + (1/(2 beta)) div(omega grad(p/omega)) for a frozen potential Psi.

    With cell masses m_i, widths h_i, cell integrals w_i of omega (`cell_log_measure`), across a face the rise
    v = log(w_b / h_b) - log(w_a / h_a) of omega and the drift u = 2 beta (Psi_b - Psi_a) - v, B(u) = u / (e^u - 1)
    and d the distance of the representative points, the flux from cell a to cell b is

        J = q s / (2 beta d) * (B(u) m_a / h_a - B(-u) m_b / h_b),      s = (omega_face h_a / w_a) / B(-v),

    a reversible exchange whose equilibrium is the discrete Gibbs law pi_i ∝ w_i exp(-2 beta Psi_i) for every
    factor q > 0 (q = 1 is the flux of Scharfetter and Gummel, an upwind flux of order 1 where drift
    dominates). The drifts of Psi and of omega are one: apart, B of the one times B of the other, they would hold a law
    where both are steep and nearly balance. s = 1 where omega is steep; for Psi = 0 the flux is that of
    omega_face grad(m / w). Written as J = -(density) grad(Psi + log(p/omega) / (2 beta)), q replaces the density that
    this flux carries by a limited upwind parabola, which makes it of order 2 whatever |u|; it is measured on a given
    law, kept in [0.1, 2], and then frozen.

    `euler` is one implicit Euler step, axis after axis. It is a product of stochastic matrices that keep pi:
    mass, positivity, pi and the decay of sum m log(m / pi) hold for every step size and in any dimension.
    `extrapolated` has order 2 in time, 2 (two half steps) - (one step), as a flux correction of the Euler step
    limited so that no cell is drained (Zalesak); mass, positivity and pi stay, the decay is for the caller to
    check.

    References: Scharfetter, Gummel, IEEE Trans. Electron Devices 16 (1969) 64; Zalesak, J. Comput. Phys. 31
    (1979) 335; Bolley, Crouzeix, RAIRO Anal. Numer. 12 (1978) 237 (no positive linear step has order 2).

    Args:
        geometry: omega and mobility.
        grid: the cells.
        inverse_temperature: beta.
        order: 2, or 1 for q = 1.

    Raises:
        ValueError: a block of infinite dimension, for which omega is undefined.
    """

    def __init__(self, geometry: Geometry, grid: Grid, inverse_temperature: float, order: int = 2) -> None:
        self.shape = grid.shape
        self._twice_beta = 2.0 * inverse_temperature
        self._order = order
        axes = [_axis(geometry, grid, a, self._twice_beta) for a in range(len(grid.shape))]
        self._rates = [rates for rates, _ in axes]
        self._means = [means for _, means in axes]
        self._moving = [a for a, moves in enumerate(geometry.mobile) if moves and grid.shape[a] > 1]
        log_measure = np.zeros(())
        for a in range(len(grid.shape)):
            log_measure = np.add.outer(log_measure, cell_log_measure(geometry, grid, a))
        self._log_measure = np.asarray(log_measure)
        self._constant = geometry.log_surface
        self._measured: tuple[Array | None, tuple[float, float]] = None, (0.0, 0.0)

    def entropy(self, mass: Array) -> float:
        """∫p log(p/omega) dr - sum_j log S_{p_j} of the law that is omega times a constant in each cell."""
        return self._entropies(mass)[0] - self._constant

    def entropy_scale(self, mass: Array) -> float:
        """Sum of the magnitudes that `entropy` adds, the scale of its rounding."""
        return self._entropies(mass)[1] + abs(self._constant)

    @property
    def log_measure(self) -> Array:
        """log w, of the grid's shape."""
        return self._log_measure

    def changes(self, before: Array, after: Array, euler: Array, psi: Array) -> tuple[float, float]:
        """-2 sum_i G_i (after - before)_i, G = psi + log(m/w) / (2 beta) at the mean m of two laws; |after - euler|."""
        laws = (law.ravel() for law in (before, after, euler, psi, self._log_measure))
        work, distance = self._summed(kernels.changes, *laws, self._twice_beta)
        return -2.0 * work, distance

    def dissipation(self, mass: Array, psi: Array) -> float:
        """2 sum over faces of J (G_a - G_b) at a law: no term is negative, because the rates are reversible.

        A face with an empty side is left out: G is -inf there, and F falls infinitely fast for an instant.
        """
        potential = np.full(self.shape, -np.inf)
        np.log(mass, out=potential, where=mass > 0.0)
        potential = psi + (potential - self._log_measure) / self._twice_beta
        work = 0.0
        for a, (upward, downward) in enumerate(self.rates(psi, self.factors(psi, mass))):
            masses, levels = mass.reshape(self._lines(a)), potential.reshape(self._lines(a))
            flux = upward * masses[:, :-1] - downward * masses[:, 1:]
            held = (masses[:, :-1] > 0.0) & (masses[:, 1:] > 0.0)
            work += float(flux[held] @ (levels[:, :-1][held] - levels[:, 1:][held]))
        return 2.0 * work

    def factors(self, psi: Array, law: Array, other: Array | None = None) -> list[Array]:
        """q at the inner faces of each axis, shape (before, n - 1, after), measured on a law, or on the mean of two."""
        found = []
        for a in range(len(self.shape)):
            lines = self._lines(a)
            if a in self._moving and self._order > 1:
                factor = np.empty((lines[0], lines[1] - 1, lines[2]))
                laws = (part.reshape(lines) for part in (psi, law, law if other is None else other))
                along_lines(kernels.axis_factors, lines, *laws, *self._means[a], self._twice_beta, factor)
            else:
                factor = np.ones((lines[0], lines[1] - 1, lines[2]))
            found.append(factor)
        return found

    def rates(self, psi: Array, factors: Sequence[Array]) -> list[tuple[Array, Array]]:
        """Rates up and down through the inner faces of each axis, shape (before, n - 1, after) each."""
        found = []
        for a, factor in enumerate(factors):
            lines, pair = self._lines(a), (np.zeros(factor.shape), np.zeros(factor.shape))
            if a in self._moving:
                along_lines(
                    kernels.axis_rates, lines, psi.reshape(lines), factor, *self._rates[a], self._twice_beta, *pair
                )
            found.append(pair)
        return found

    def euler(self, mass: Array, rates: Sequence[tuple[Array, Array]], step: float) -> tuple[Array, list[Array]]:
        """One implicit Euler step per axis, in turn, and the masses that crossed the faces upward."""
        laws, crossed = self.swept(mass, rates, step)
        return laws[-1].copy() if laws[-1] is mass else laws[-1], crossed

    def swept(self, mass: Array, rates: Sequence[tuple[Array, Array]], step: float) -> tuple[list[Array], list[Array]]:
        """The law before an implicit Euler step and after each moving axis, and what crossed the faces upward."""
        laws = [mass]
        crossed = [np.zeros(0) for _ in self.shape]
        for a in self._moving:
            lines, following = self._lines(a), np.empty(self.shape)
            crossed[a] = np.empty(rates[a][0].shape)
            line_solve(laws[-1].reshape(lines), *rates[a], step, following.reshape(lines), crossed[a])
            laws.append(following)
        return laws, crossed

    def extrapolated(self, mass: Array, rates: Sequence[tuple[Array, Array]], step: float) -> tuple[Array, Array]:
        """The step of order 2, and the Euler step that it corrects."""
        whole, across = self.euler(mass, rates, step)
        half, first = self.euler(mass, rates, 0.5 * step)
        _, second = self.euler(half, rates, 0.5 * step)
        for parts in zip(across, first, second, strict=True):
            in_blocks(kernels.differences, parts[0].size, BLOCK_CELLS, *(part.ravel() for part in parts))
        return self.corrected(whole, across), whole

    def stiffness(self, rates: Sequence[tuple[Array, Array]]) -> float:
        """Largest rate at which a cell is drained through one face."""
        return max((kernels.largest_rate(*pair) for pair in rates), default=0.0)

    def corrected(self, mass: Array, fluxes: Sequence[Array]) -> Array:
        """mass - div(fluxes), the fluxes out of each cell scaled so that they leave something in it."""
        drained = np.zeros(self.shape)
        for a in self._moving:
            lines = self._lines(a)
            along_lines(kernels.axis_drained, lines, fluxes[a], drained.reshape(lines))
        share, result = drainable(mass, drained)
        for a in self._moving:
            lines = self._lines(a)
            along_lines(kernels.axis_moved, lines, fluxes[a], share.reshape(lines), result.reshape(lines))
        return result

    def _entropies(self, mass: Array) -> tuple[float, float]:
        """Entropy and its scale; those of the law asked for last are kept."""
        if self._measured[0] is not mass:
            self._measured = mass, self._summed(kernels.entropies, mass.ravel(), self._log_measure.ravel())
        return self._measured[1]

    def _summed(self, kernel: Callable[..., Any], *arguments: Any) -> tuple[float, float]:
        """The two sums over all cells of a kernel that sums over blocks."""
        count = int(np.prod(self.shape))
        partial = np.zeros((-(-count // BLOCK_CELLS), 2))
        in_blocks(kernel, count, BLOCK_CELLS, BLOCK_CELLS, *arguments, partial)
        first, second = partial.sum(axis=0)
        return float(first), float(second)

    def _lines(self, axis: int) -> tuple[int, int, int]:
        before = int(np.prod(self.shape[:axis], dtype=int))
        after = int(np.prod(self.shape[axis + 1 :], dtype=int))
        return before, self.shape[axis], after


def along_lines(kernel: Callable[..., Any], shape: tuple[int, int, int], *arguments: Any) -> None:
    """kernel(start, stop, *arguments) over the lines along the middle axis, on the threads that there are."""
    before, n, after = shape
    in_blocks(kernel, before * after, max(LEAST_LINES, BLOCK_CELLS // n), *arguments)


def line_solve(mass: Array, upward: Array, downward: Array, step: float, new: Array, crossed: Array) -> None:
    """new = (1 - step Q)^-1 mass along all lines, see `kernels.axis_solve`."""
    along_lines(kernels.axis_solve, mass.shape, mass, upward, downward, step, new, crossed)


def drainable(mass: Array, drained: Array) -> tuple[Array, Array]:
    """The share of what would leave each cell that leaves something in it, and the masses again.

    Below `kernels.LEAST_MASS` nothing leaves.
    """
    share, copy = np.empty(mass.shape), np.empty(mass.shape)
    parts = (part.ravel() for part in (mass, drained, share, copy))
    in_blocks(kernels.shares, mass.size, BLOCK_CELLS, *parts)
    return share, copy


def is_steep(geometry: Geometry, axis: int) -> bool:
    """Whether omega varies over a cell by more than the laws do, so that its values count and not its integrals."""
    return bool(geometry.mobile[axis] and geometry.axes[axis].dimension > STEEP)


def cell_log_measure(geometry: Geometry, grid: Grid, axis: int) -> Array:
    """log w along one axis: the exact integrals of omega, or width * omega(x_i) for a steep omega.

    A steep cell's integral sits at its upper edge, which would evaluate the drift (p - 1) / (2 beta r) half a
    cell too far out. The face value of a steep omega is then the one of an exponential between the points.
    """
    edge, centre = grid.edges[axis], grid.centres[axis]
    measure = geometry.log_measure(axis, edge)
    if is_steep(geometry, axis):
        inner = centre > 0.0
        measure[inner] = np.log(np.diff(edge)[inner]) + geometry.log_density(axis, centre[inner])
    return measure


def _axis(
    geometry: Geometry, grid: Grid, axis: int, twice_beta: float
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """What `axis_rates` and `axis_factors` need of omega and of the cells.

    Next to r = 0, where omega varies as fast as the cells, the distance is the one that makes the flux of
    rho = r^2 exact.
    """
    edge, centre = grid.edges[axis], grid.centres[axis]
    width = np.diff(edge)
    measure = cell_log_measure(geometry, grid, axis)
    mean = measure - np.log(width)
    rise = np.diff(mean)
    share = np.ones(len(rise))
    if not is_steep(geometry, axis):
        steepness = np.where(np.abs(rise) < FLAT, 1.0 + 0.5 * rise, rise / -np.expm1(-np.where(rise == 0.0, 1.0, rise)))
        share = np.exp(geometry.log_density(axis, edge[1:-1]) - mean[:-1]) / steepness
    distance = np.diff(centre)
    if centre[0] == edge[0] and geometry.axes[axis].even:
        squares = geometry.mean_square(axis, edge[:4])
        distance[:2] = (np.diff(squares) / (2.0 * edge[1 : len(squares)]))[:2]
    rate = geometry.mobility[axis] * share / (twice_beta * distance)
    return (rise, rate / width[:-1], rate / width[1:]), (rise, share, 1.0 / width)
