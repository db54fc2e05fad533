"""Finite volumes for d_t rho = div(rho grad Psi), with noise or without, on a tensor grid."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from .diffusion import Diffusion
from .finite_volume_kernels import sweep_blocks
from .flow import Flow
from .geometry import Geometry
from .grid import Grid
from .objective import Array, Objective
from .time_loop import Law, Observation, State, StepFailure

EPSILON = float(np.finfo(float).eps)
ENERGY_ROUNDING = 100.0  # a step may raise F by this many roundings
RATE_SLACK = 1.1  # velocities may grow this much within a step before it is repeated
SHORTEST = 1e-6  # of the step that the velocities allow; no falling energy needs less
THIRD_ORDER = (1.0 / 3.0, 1.0 / 6.0)
FROMM = (0.25, 0.25)
FEW_CELLS = 3.0  # per axis; a law on fewer is an atom to the grid
BLOCK_FEATURES = 2**15  # feature values per block, so that a block's features stay in a second-level cache
SMALLEST_BLOCK = 8  # slices along the first axis, so that the halos cost little
THREADED_FEATURES = 2**17  # below, waking a second thread costs more than it saves
MIDPOINT_ROUNDS = 12  # fixed-point rounds for the midpoint potential before a step is halved
FROZEN_FROM = 2  # rounds that measure the mean densities anew; later ones keep them, so that the rounds converge
MIDPOINT_TOLERANCE = 1e-11  # of the outputs
REMEDY = "use a finer grid (solver.cells) or a smaller Courant number (solver.courant)"


@dataclass(frozen=True)
class FiniteVolumeOptions:
    """Options of the scheme.

    Attributes:
        courant: c in (0, 1]; in a step a face drains at most c / (number of faces) of a cell at the velocity
        there.
        order: 2, or 1 without reconstruction slopes.
        tolerance: bound per step of sqrt(sum omega (Heun - Euler)^2) in the outputs; rules where the law
        hardly moves.
        empty: total mass of the cells whose velocities do not limit the step.
        growth: largest ratio of successive steps.
        noisy_tolerance: with noise, bound per step of sum |m_order 2 - m_Euler|. The error of a step is about its
        power 3/2, so that steps shrink with its square root.
    """

    courant: float = 0.75
    order: int = 2
    tolerance: float = 1e-2
    empty: float = 1e-8
    growth: float = 1.5
    noisy_tolerance: float = 1e-4


class FiniteVolume:
    """Upwind finite volumes for the flow of (1/2) F, F = R + ridge ∫|z|^2 drho; order 2 where the law is
    smooth.

    With cell masses m_i, representative points x_i, outputs sum_i Phi_i m_i, Phi_i = Phi(x_i), and
    Psi_i = grad L . Phi_i + ridge |x_i|^2 / 2,

        dm_i/dt = - sum over the faces of i of the outgoing flux,
        v = -(Psi_{i+1} - Psi_i) / (x_{i+1} - x_i),      flux = v * area * rho_face.

    rho_face is reconstructed in the upwind cell from a parabola through three cell averages (Fromm's slope
    for an atom) and limited only to [0, 2 rho_i]. Time steps are Heun's, the second-order
    strong-stability-preserving combination of Euler steps.

    With noise F gains (1/beta) sum m_i log(m_i / w_i), w_i the cell integrals of omega, and the step is
    implicit (`Diffusion`), with Psi at the midpoint (outputs before + outputs after) / 2, found by fixed-point
    rounds in the M outputs. R is quadratic, so that F rises by (1/beta) times the rise of
    sum m_i log(m_i / pi_i), pi_i ∝ w_i exp(-2 beta Psi_i): it falls, for the Euler form of the step at any
    size, because that form is a stochastic matrix which keeps pi. The step of order 2 is checked and halved.
    The discrete Gibbs laws m = pi are exact steady states, and mass and positivity hold as without noise.

    - *Mass*: what leaves a cell enters its neighbour; the outermost faces are closed.
    - *Positivity*: in an Euler step a face takes at most m_i / (number of faces) of the cell it drains. The
      step is chosen so that this acts, where there is mass, at steep fronts only (not at all for
      courant <= 0.45); the cells that hold less than `empty` together do not set the step.
    - *Energy*: dF/dt = -2 sum over faces of v^2 area rho_face (x_{i+1} - x_i) <= 0, because the face
      velocities are differences of the Psi_i and rho_face >= 0; a step that raises F beyond rounding is
      refused and halved.

    An axis with an origin cell (`Grid`) absorbs at r = 0, holds the mass at the value Phi(0) and releases it
    when the slope of Psi turns.

    References: Carrillo, Chertock, Huang, Commun. Comput. Phys. 17 (2015) 233 (velocities from differences
    of the potential); van Leer, J. Comput. Phys. 23 (1977) 276 (reconstruction); Zalesak, J. Comput. Phys.
    31 (1979) 335 (limited outgoing fluxes).

    Args:
        objective: feature map and loss.
        geometry: bounds and mobility of the coordinates.
        flow: the terms that act; birth-death is not for this scheme.
        grid: the cells, one to three axes, smoothly graded.
        masses: initial masses of the cells, of the grid's shape; normalised to total 1.
        options: see `FiniteVolumeOptions`.

    Raises:
        ValueError: a term of the flow, an option, a mass or a feature value that the scheme cannot use.
    """

    name = "finite-volume"

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        grid: Grid,
        masses: Array,
        options: FiniteVolumeOptions = FiniteVolumeOptions(),
    ) -> None:
        _check(geometry, flow, grid, masses, options)
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self.grid = grid
        self.options = options
        self._initial = np.ascontiguousarray(masses, dtype=float) / float(np.sum(masses))
        shape = (1,) * (3 - len(grid.shape)) + grid.shape
        self._rows = (shape[0] * shape[1], shape[2])
        self._features = self._feature_rows()
        slopes = _slopes(masses, options.order)
        self._axes = [face_coefficients(np.array([0.5]), np.array([0.0, 1.0]), 0.0, slopes)] * (3 - len(grid.shape)) + [
            face_coefficients(centre, edge, mobile, slopes)
            for centre, edge, mobile in zip(grid.centres, grid.edges, geometry.mobility, strict=True)
        ]
        open_axes = sum(n > 1 and moves for n, moves in zip(grid.shape, geometry.mobile, strict=True))
        self._faces = 2 * max(open_axes, 1)
        self._bounds = _block_bounds(shape, self._features.shape[1])
        self._layout = shape[0], shape[1]
        self._energy_scale = objective.constant + float(np.dot(objective.weights, objective.targets**2))
        beta = flow.inverse_temperature
        self._diffusion = Diffusion(geometry, grid, beta, options.order) if np.isfinite(beta) else None

    def initial_state(self) -> State:
        """The given masses, and a step from the velocities they produce."""
        mass = self._initial.copy()
        outputs, _ = self._sweep(mass, mass, 0.0, 0.0, np.zeros(self._features.shape[1]), np.empty_like(mass))
        outputs, rate = self._sweep(mass, mass, 0.0, 0.0, self._gradient(outputs), np.empty_like(mass), True)
        step = self._longest(rate)
        if self._diffusion is not None:
            psi = self._potential(outputs)
            stiffness = self._diffusion.stiffness(self._diffusion.rates(psi, self._diffusion.factors(psi, mass)))
            step = 1.0 / stiffness if stiffness > 0.0 else np.inf
        return State(0.0, step if np.isfinite(step) else 1.0, {"mass": mass, "outputs": outputs})

    def advance(self, state: State, until: float) -> State:
        """One step of at most `state.step`: Heun's, or the implicit one with noise.

        Raises:
            StepFailure: no step down to rounding keeps the energy from rising, or a value is not finite.
        """
        if self._diffusion is not None:
            return self._advance_with_noise(state, until, self._diffusion)
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        gradient = self._gradient(outputs)
        energy = self._energy(outputs)
        allowance = ENERGY_ROUNDING * EPSILON * (abs(energy) + self._energy_scale)
        planned = state.step
        first, second = np.empty_like(mass), np.empty_like(mass)
        while True:
            remaining = until - state.flow_time
            step = remaining if planned >= remaining * (1.0 - 1e-12) else planned
            middle, rate = self._sweep(mass, mass, 0.0, step, gradient, first, True)
            bound = self._longest(rate)
            # The rate is known only after the sweep: a step past the bound is repeated, one within it stands.
            if np.isfinite(bound) and not (step <= RATE_SLACK * bound):
                planned = bound
                continue
            final, _ = self._sweep(first, mass, 0.5, step, self._gradient(middle), second)
            change = self._distance(final, middle)
            if self._energy(final) <= energy + allowance and change <= self.options.tolerance:
                break
            planned = 0.5 * step
            if not (planned > SHORTEST * min(bound, state.step)):
                raise self._failure(state, mass, final)
        growth = self.options.growth * (max(step, state.step) if step == remaining else step)
        by_error = step * np.sqrt(0.5 * self.options.tolerance / change) if change > 0.0 else np.inf
        following = float(min(bound, growth, max(by_error, 0.5 * step)))
        time = until if step == remaining else state.flow_time + step
        return State(time, following, {"mass": second, "outputs": final})

    def observe(self, state: State) -> Observation:
        """Risk, energy, and the moments of a law that is linear in each cell (an atom in an origin cell).

        The variance of mass gathered in one cell is thus width^2 / 12, what the grid can resolve.
        """
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        axes = [self._marginal_moments(mass, axis) for axis in range(self.geometry.dimension)]
        return Observation(
            risk=self.objective.risk(outputs[: self.objective.features.rank]),
            free_energy=self._free_energy(mass, outputs),
            mass=float(mass.sum()),
            mean=np.array([mean for mean, _ in axes]),
            variance=np.array([variance for _, variance in axes]),
            law=Law(mass.reshape(self.grid.shape), edges=self.grid.edges),
        )

    def _advance_with_noise(self, state: State, until: float, diffusion: Diffusion) -> State:
        """One implicit step of order 2, halved until F does not rise and it is close to Euler's."""
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        energy = self._free_energy(mass, outputs)
        beta = self.flow.inverse_temperature
        scale = abs(energy) + self._energy_scale + diffusion.entropy_scale(mass) / beta
        allowance = ENERGY_ROUNDING * EPSILON * scale
        planned = state.step
        while True:
            remaining = until - state.flow_time
            step = remaining if planned >= remaining * (1.0 - 1e-12) else planned
            final, after, change, rounds = self._midpoint_step(mass, outputs, step, diffusion)
            tolerable = change <= self.options.noisy_tolerance and rounds <= MIDPOINT_ROUNDS
            if tolerable and self._free_energy(final, after) <= energy + allowance:
                break
            planned = 0.5 * step
            if not (planned > SHORTEST**2 * state.step):
                raise self._failure(state, mass, after)
        growth = self.options.growth if rounds < MIDPOINT_ROUNDS - 3 else 1.0
        by_error = step * np.sqrt(0.5 * self.options.noisy_tolerance / change) if change > 0.0 else np.inf
        longest = max(step, state.step) if step == remaining else step
        following = float(min(growth * longest, max(by_error, 0.5 * step)))
        time = until if step == remaining else state.flow_time + step
        return State(time, following, {"mass": final, "outputs": after})

    def _midpoint_step(
        self, mass: Array, outputs: Array, step: float, diffusion: Diffusion
    ) -> tuple[Array, Array, float, int]:
        """The step of order 2 at the midpoint potential: masses, outputs, L1 distance from the Euler step, rounds.

        More than `MIDPOINT_ROUNDS` rounds mean that the outputs did not settle.
        """
        final, after = mass, outputs
        factors: list[Array] = []
        for rounds in range(1, MIDPOINT_ROUNDS + 2):
            before = after
            psi = self._potential(0.5 * (outputs + after))
            if rounds <= FROZEN_FROM:
                factors = diffusion.factors(psi, 0.5 * (mass + final))
            final, euler = diffusion.extrapolated(mass, diffusion.rates(psi, factors), step)
            after = self._outputs(final)
            gap = self._distance(after, before)
            if not np.isfinite(gap) or (gap <= MIDPOINT_TOLERANCE and rounds > FROZEN_FROM):
                break
        return final, after, float(np.abs(final - euler).sum()), rounds

    def _potential(self, outputs: Array) -> Array:
        """Psi_i + ridge |x_i|^2 / 2 of a law with these outputs, of the grid's shape."""
        psi: Array = np.einsum("rmn,m->rn", self._features, self._gradient(outputs))
        return psi.reshape(self.grid.shape)

    def _outputs(self, mass: Array) -> Array:
        """sum_i Phi_i m_i, the ridge's share last."""
        outputs: Array = np.einsum("rmn,rn->m", self._features, mass.reshape(self._rows))
        return outputs

    def _free_energy(self, mass: Array, outputs: Array) -> float:
        """F with the entropy where there is noise; NaN where a value is not finite."""
        if self._diffusion is None or not np.isfinite(outputs).all():
            return self._energy(outputs)
        return self._energy(outputs) + self._diffusion.entropy(mass) / self.flow.inverse_temperature

    def _feature_rows(self) -> Array:
        """Phi at the representative points, shape (rows, M, n); ridge |x|^2 / 2, if any, is a last
        feature."""
        points = self.grid.points
        rows, n = self._rows
        rank = self.objective.features.rank
        features = np.empty((rows, rank + (self.flow.ridge > 0.0), n))
        chunk = max(1, 2**16 // n)
        for first in range(0, rows, chunk):
            part = points[first * n : (first + chunk) * n]
            values = self.objective.features.values(part)
            features[first : first + chunk, :rank] = values.reshape(-1, n, rank).transpose(0, 2, 1)
            if self.flow.ridge > 0.0:
                features[first : first + chunk, rank] = (0.5 * self.flow.ridge * (part**2).sum(axis=1)).reshape(-1, n)
        if not np.isfinite(features).all():
            cell = int(np.argmax(~np.isfinite(features).all(axis=1).ravel()))
            raise ValueError(f"the features are not finite at the cell of {points[cell]}: shrink the domain")
        return features

    def _gradient(self, outputs: Array) -> Array:
        """Coefficients of the features in Psi."""
        rank = self.objective.features.rank
        gradient = np.ones(len(outputs))
        gradient[:rank] = self.objective.loss_gradient(outputs[:rank])
        return gradient

    def _energy(self, outputs: Array) -> float:
        """R + ridge ∫|z|^2 drho; NaN where an output is not finite."""
        if not np.isfinite(outputs).all():
            return float("nan")
        rank = self.objective.features.rank
        return self.objective.risk(outputs[:rank]) + 2.0 * float(outputs[rank:].sum())

    def _distance(self, first: Array, second: Array) -> float:
        """sqrt(sum omega (first - second)^2); NaN where an output is not finite."""
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            return float("nan")
        rank = self.objective.features.rank
        return float(np.sqrt(np.dot(self.objective.weights, (first[:rank] - second[:rank]) ** 2)))

    def _longest(self, rate: float) -> float:
        """Longest step at a largest rate |v| / width of the cells that hold mass."""
        return self.options.courant / (self._faces * rate) if rate > 0.0 else np.inf

    def _sweep(
        self,
        mass: Array,
        old: Array,
        weight: float,
        step: float,
        gradient: Array,
        new: Array,
        measure: bool = False,
    ) -> tuple[Array, float]:
        """new = weight * old + (1 - weight) * (Euler step of mass); its outputs, and the largest rate on
        demand."""
        cap = 1.0 / (self._faces * step) if step > 0.0 else 0.0
        blocks = len(self._bounds) - 1
        partial = np.zeros((blocks, self._features.shape[1]))
        rates = np.zeros(blocks)
        floor = self.options.empty / mass.size if measure else -1.0
        arguments = (
            self._bounds, *self._layout, self._features, gradient, *self._axes,
            mass.reshape(self._rows), old.reshape(self._rows), weight, step, cap, floor,
            new.reshape(self._rows), partial, rates,
        )  # fmt: skip
        threads = min(get_num_threads(), blocks) if self._features.size >= THREADED_FEATURES else 1
        shares = np.linspace(0, blocks, threads + 1).astype(int)
        waiting = [_pool().submit(sweep_blocks, shares[i], shares[i + 1], *arguments) for i in range(1, threads)]
        sweep_blocks(0, shares[1], *arguments)
        for future in waiting:
            future.result()
        return partial.sum(axis=0), float(rates.max())

    def _marginal_moments(self, mass: Array, axis: int) -> tuple[float, float]:
        """Mean and variance of the linear reconstruction along one axis."""
        others = tuple(a for a in range(self.geometry.dimension) if a != axis)
        marginal = mass.sum(axis=others)
        edge, width = self.grid.edges[axis], self.grid.widths[axis]
        atom = self.grid.centres[axis] == edge[:-1]
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

    def _failure(self, state: State, mass: Array, outputs: Array) -> StepFailure:
        cell = np.unravel_index(int(np.argmax(mass)), self.grid.shape)
        place = ", ".join(
            f"{name} = {self.grid.centres[a][i]:.6g}"
            for a, (name, i) in enumerate(zip(self.geometry.names, cell, strict=True))
        )
        reason = "the free energy rises" if np.isfinite(outputs).all() else "the outputs are not finite"
        return StepFailure(
            f"finite volumes: {reason} at every step size (most mass in the cell at {place})",
            state.flow_time,
            REMEDY,
        )


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads for the blocks beyond the caller's share: they sleep, not spin, when the machine is busy."""
    return ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="finite-volume")


def face_coefficients(centre: Array, edge: Array, mobility: float, slopes: tuple[float, float]) -> Array:
    """Coefficients of the inner faces of an axis, shape (4, n - 1), in the order of the kernels' `_face`.

    The reconstruction is done in the index of the cell, in which a smoothly graded grid is uniform: with x'
    the distance of the representative points, rho at the face times x' is the reconstructed mass per cell,
    so that the flux is (Psi_a - Psi_b) * mobility / x'^2 * that mass. An origin cell is half a cell, hence
    twice as dense; next to it the reconstruction falls back to order 1.
    """
    faces = np.zeros((4, len(centre) - 1))
    faces[:2] = mobility / np.diff(centre) ** 2
    faces[2:] = np.array(slopes)[:, None]
    if centre[0] == edge[0]:
        faces[0, :1] *= 2.0
        faces[2:, :2] = 0.0
    return faces


def _slopes(masses: Array, order: int) -> tuple[float, float]:
    """Weights of the forward and backward difference in the reconstruction.

    An atom spreads over a few cells only and stays unresolved: Fromm's balanced weights then keep its speed,
    where the positivity limit takes more from the forward difference than from the backward one.
    """
    if order == 1:
        return 0.0, 0.0
    occupied = float(masses.sum()) ** 2 / float((masses**2).sum())
    return FROMM if occupied < FEW_CELLS**masses.ndim else THIRD_ORDER


def _block_bounds(shape: tuple[int, ...], features: int) -> NDArray[np.int64]:
    """First rows of the blocks, from the grid and the number of features alone."""
    rows = shape[0] * shape[1]
    slab = shape[1] if shape[0] > 1 else 1
    slabs = rows // slab
    per_block = max(SMALLEST_BLOCK, BLOCK_FEATURES // (slab * shape[2] * features))
    blocks = max(1, slabs // per_block)
    blocks += blocks % 2 if blocks > 1 else 0
    return slab * np.linspace(0, slabs, blocks + 1).astype(np.int64)


def _check(geometry: Geometry, flow: Flow, grid: Grid, masses: Array, options: FiniteVolumeOptions) -> None:
    if not (1 <= len(grid.shape) <= 3 and len(grid.shape) == geometry.dimension):
        raise ValueError(
            f"the grid has {len(grid.shape)} axes, the geometry {geometry.dimension}: give 1 to 3, the same"
        )
    if not (flow.inverse_temperature > 0.0):
        raise ValueError(f"inverse_temperature must be > 0, got {flow.inverse_temperature}: write inf for no noise")
    if flow.fisher_rao_rate != 0.0 or not flow.transport:
        raise ValueError("finite volumes only transport mass: set dynamics.flow = 'wasserstein'")
    if not (0.0 < options.courant <= 1.0):
        raise ValueError(f"courant must lie in (0, 1], got {options.courant}: the positivity proof needs it")
    if options.order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {options.order}")
    if masses.shape != grid.shape or not (np.min(masses) >= 0.0 and 0.0 < float(np.sum(masses)) < np.inf):
        raise ValueError(f"masses must be >= 0 with a positive sum and shape {grid.shape}, got shape {masses.shape}")
