"""The features on the cells of a grid: potential, outputs and energy of a law, and the compiled sweep over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..flow.confinement import Confinement
from ..objective.objective import Objective
from ..space.geometry import Geometry
from ..space.grid import Grid
from ..threads.blocks import in_blocks
from .faces import block_bounds, padded_axes, reconstruction_slopes
from .kernels import output_blocks, potential_blocks, sweep_blocks

THREADED_FEATURES = 2**15  # below, 128^2 cells at rank 2, a stage of 50 us has nothing to share
UNLIMITED = 1e300  # cap of a face's rate that never acts


class CellFeatures:
    """Laws m_i on the cells of a grid, through Phi_i at the representative points.

    Outputs are sum_i Phi_i m_i; where there is a confinement, sum_i V_i m_i comes last. Sums over cells are
    taken block by block in a fixed order, so that the result does not depend on the number of threads.

    Args:
        objective, geometry, grid: the problem and its cells.
        confinement: V.
        masses: the initial law, which decides on the reconstruction.
        order: 2, or 1 without reconstruction slopes.
        empty: total mass of the cells that are not asked for their rates.

    Raises:
        ValueError: a feature value that is not finite.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        grid: Grid,
        confinement: Confinement,
        masses: Array,
        order: int,
        empty: float,
    ) -> None:
        self.objective = objective
        self.shape = grid.shape
        self.rank = objective.features.rank
        shape = (1,) * (3 - len(grid.shape)) + grid.shape
        self.rows = (shape[0] * shape[1], shape[2])
        self.features = self._feature_rows(geometry.turned(grid.points), confinement)
        self.bounds = block_bounds(shape, self.features.shape[1])
        open_axes = sum(n > 1 and moves for n, moves in zip(grid.shape, geometry.mobile, strict=True))
        self.faces = 2 * max(open_axes, 1)
        self.energy_scale = objective.loss.scale
        self._axes = padded_axes(geometry, grid, reconstruction_slopes(masses, order))
        self._layout = shape[0], shape[1]
        self._floor = empty / masses.size

    def gradient(self, outputs: Array) -> Array:
        """Coefficients of the features in Psi."""
        return self._with_confinement(self.objective.loss_gradient(outputs[: self.rank]), outputs)

    def mean_gradient(self, start: Array, end: Array) -> Array:
        """The same on average between two outputs: 2 L + 2 ∫V drho changes by twice that times their change."""
        loss = self.objective.loss
        return self._with_confinement(loss.mean_gradient(start[: self.rank], end[: self.rank]), start)

    def _with_confinement(self, gradient: Array, outputs: Array) -> Array:
        """1 as the coefficient of the confinement's share."""
        whole = np.ones(len(outputs))
        whole[: self.rank] = gradient
        return whole

    def potential(self, gradient: Array) -> Array:
        """sum_m gradient_m Phi_m, of the grid's shape."""
        psi = np.empty(self.rows)
        self._in_blocks(potential_blocks, self.bounds, self.features, gradient, psi)
        return psi.reshape(self.shape)

    def psi(self, gradient: Array) -> Array:
        """sum_m gradient_m Phi_m for the gradient of the loss, without V, of the grid's shape."""
        return self.potential(np.append(gradient, np.zeros(self.features.shape[1] - self.rank)))

    @property
    def confinement(self) -> Array:
        """V, of the grid's shape."""
        held = self.features.shape[1] > self.rank
        return self.features[:, self.rank].reshape(self.shape) if held else np.zeros(self.shape)

    def outputs(self, mass: Array) -> Array:
        """sum_i Phi_i m_i, the confinement's share last."""
        partial = np.zeros((len(self.bounds) - 1, self.features.shape[1]))
        self._in_blocks(output_blocks, self.bounds, self.features, mass.reshape(self.rows), partial)
        return np.asarray(partial.sum(axis=0))

    def energy(self, outputs: Array) -> float:
        """2 L + 2 ∫V drho; NaN where an output is not finite."""
        if not np.isfinite(outputs).all():
            return float("nan")
        return self.objective.energy(outputs[: self.rank]) + 2.0 * float(outputs[self.rank :].sum())

    def distance(self, first: Array, second: Array) -> float:
        """sqrt(sum omega (first - second)^2); NaN where an output is not finite."""
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            return float("nan")
        difference = first[: self.rank] - second[: self.rank]
        return float(np.sqrt(np.dot(self.objective.loss.metric, difference**2)))

    def sweep(
        self,
        mass: Array,
        old: Array,
        weight: float,
        step: float,
        gradient: Array,
        new: Array,
        measure: bool = False,
        limited: bool = True,
    ) -> tuple[Array, float]:
        """new = weight * old + (1 - weight) * (Euler step of mass); its outputs, and the largest rate on
        demand. Unless `limited`, cells may be drained below 0."""
        cap = (1.0 / (self.faces * step) if step > 0.0 else 0.0) if limited else UNLIMITED
        blocks = len(self.bounds) - 1
        partial = np.zeros((blocks, self.features.shape[1]))
        rates = np.zeros(blocks)
        floor = self._floor if measure else -1.0
        arguments = (
            self.bounds, *self._layout, self.features, gradient, *self._axes,
            mass.reshape(self.rows), old.reshape(self.rows), weight, step, cap, floor,
            new.reshape(self.rows), partial, rates,
        )  # fmt: skip
        self._in_blocks(sweep_blocks, *arguments)
        return partial.sum(axis=0), float(rates.max())

    def _in_blocks(self, kernel: Callable[..., Any], *arguments: Any) -> None:
        """kernel(first, last, *arguments) over all blocks, on several threads where that pays."""
        blocks = len(self.bounds) - 1
        in_blocks(kernel, blocks, blocks if self.features.size < THREADED_FEATURES else 1, *arguments)

    def _feature_rows(self, points: Array, confinement: Confinement) -> Array:
        """Phi at the representative points, shape (rows, M, n); V, if any, is a last feature."""
        rows, n = self.rows
        features = np.empty((rows, self.rank + confinement.acts, n))
        chunk = max(1, 2**16 // n)
        for first in range(0, rows, chunk):
            part = points[first * n : (first + chunk) * n]
            values = self.objective.features.values(part)
            features[first : first + chunk, : self.rank] = values.reshape(-1, n, self.rank).transpose(0, 2, 1)
            if confinement.acts:
                features[first : first + chunk, self.rank] = confinement.value(part).reshape(-1, n)
        if not np.isfinite(features).all():
            cell = int(np.argmax(~np.isfinite(features).all(axis=1).ravel()))
            raise ValueError(f"the features are not finite at the cell of {points[cell]}: shrink the domain")
        return features
