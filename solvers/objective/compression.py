"""Compression of a feature map to its numerical rank on a box.

Features with unit weight and target 0 may be rotated freely, and those that stay below sqrt(accuracy) everywhere be
dropped: by Cauchy-Schwarz U, and so the risk of any law on the box, changes by less than the accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ..arrays import Array
from .objective import FeatureMap
from .table.mesh import sequence

KEPT = 2
"""Leading features (the class means q_±, with targets ±1) that are never rotated."""


@dataclass(frozen=True)
class CompressedFeatures:
    """The leading features of a map, and the others projected on an orthonormal basis.

    Attributes:
        inner: the map; its features from number 2 on have unit weight and target 0.
        basis: shape (inner.rank - 2, rank - 2), orthonormal columns.
        error: largest squared norm of what was dropped at the sample points: the error of U there.
    """

    inner: FeatureMap
    basis: Array
    error: float

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def rank(self) -> int:
        return KEPT + int(self.basis.shape[1])

    def values(self, points: Array) -> Array:
        return self._project(self.inner.values(points))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, gradients = self.inner.values_and_gradients(points)
        rotated = np.einsum("nmd,mk->nkd", gradients[:, KEPT:], self.basis, optimize=True)
        return self._project(values), np.concatenate([gradients[:, :KEPT], rotated], axis=1)

    def outputs(self, points: Array, masses: Array) -> Array:
        return self._project(self.inner.outputs(points, masses))

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        raw = np.concatenate([coefficients[:KEPT], self.basis @ coefficients[KEPT:]])
        return self.inner.contract(points, raw)

    def _project(self, raw: Array) -> Array:
        return np.concatenate([raw[..., :KEPT], raw[..., KEPT:] @ self.basis], axis=-1)


def sample_box(lower: Array, upper: Array, count: int) -> Array:
    """Quasi-random points of a box, two thirds of them denser towards its lower faces, shape (count, D)."""
    unit = sequence(count, len(lower))
    unit[1::3] **= 2
    unit[2::3] = 10.0 ** (-4.0 * unit[2::3])
    return np.asarray(lower + (upper - lower) * unit)


def compress(
    features: FeatureMap, lower: Array, upper: Array, accuracy: float, samples: int = 2048
) -> CompressedFeatures:
    """Compress `features` so that U on the box [lower, upper] changes by less than `accuracy`, as sampled."""
    points = sample_box(lower, upper, samples)
    raw = np.concatenate([features.values(part)[:, KEPT:] for part in np.array_split(points, max(1, samples // 256))])
    if raw.shape[1] == 0:
        return CompressedFeatures(features, np.empty((0, 0)), 0.0)
    small_side = raw.T if raw.shape[1] <= samples else raw
    eigenvalues, vectors = linalg.eigh(small_side @ small_side.T)
    order = np.argsort(eigenvalues)[::-1]
    kept = order[eigenvalues[order] > 1e-15 * eigenvalues[order[0]]]
    directions = vectors[:, kept]
    if raw.shape[1] > samples:
        directions = linalg.qr(raw.T @ directions, mode="economic")[0]
    left = np.sum(raw**2, axis=1)[:, None] - np.cumsum((raw @ directions) ** 2, axis=1)
    errors = np.concatenate([[float(np.max(np.sum(raw**2, axis=1)))], left.max(axis=0)])
    below = np.flatnonzero(errors <= accuracy)
    rank = int(below[0]) if below.size else directions.shape[1]
    return CompressedFeatures(features, directions[:, :rank].copy(), max(float(errors[rank]), 0.0))
