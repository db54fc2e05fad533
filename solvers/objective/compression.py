"""Compression of a feature map to its numerical rank on a box; the loss follows.

Outputs of unit weight and target 0 under the square loss may be rotated freely, and those that stay below
sqrt(accuracy) everywhere be dropped: by Cauchy-Schwarz U, and so the risk of any law on the box, changes by less than
the accuracy. Where many outputs have a target they are rotated so that one of them has it all. Under any other loss
outputs are written in an orthonormal basis of what they span on the box, in the norm of the loss, and the loss taken
through it; what is dropped counts to first order there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg

from ..arrays import Array
from .losses.interface import Loss
from .losses.square import SquareLoss
from .objective import FeatureMap
from .table.mesh import sequence

MOST_KEPT = 4
"""Outputs with a target or a weight of their own beyond which they are turned into one."""
BLOCK = 64
"""Directions that are looked for together."""
FINER = 0.1
"""Share of the accuracy down to which they are, so that turned they are the fewest."""
ROUNDING = 1e-15
"""Squared norms, over the largest, below which they are not."""
ENTRIES = 2**20
"""Features of the map times points of one evaluation, which stay in a cache."""


@dataclass(frozen=True)
class CompressedFeatures:
    """The leading features of a map, and the others projected on a basis.

    Attributes:
        inner: the map.
        basis: shape (inner.rank - kept, rank - kept).
        kept: leading features that stay as they are.
    """

    inner: FeatureMap
    basis: Array
    kept: int = 0

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def rank(self) -> int:
        return self.kept + int(self.basis.shape[1])

    def values(self, points: Array) -> Array:
        parts = [self._project(self.inner.values(part)) for part in self._parts(points)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, slopes = np.empty((len(points), self.rank)), np.empty((len(points), self.rank, self.dimension))
        first = 0
        for part in self._parts(points):
            here = slice(first, first + len(part))
            raw, gradients = self.inner.values_and_gradients(part)
            values[here], slopes[here, : self.kept] = self._project(raw), gradients[:, : self.kept]
            slopes[here, self.kept :] = np.einsum("nmd,mk->nkd", gradients[:, self.kept :], self.basis, optimize=True)
            first += len(part)
        return values, slopes

    def _parts(self, points: Array) -> list[Array]:
        return np.array_split(points, max(1, -(-len(points) * self.inner.rank // ENTRIES)))

    def outputs(self, points: Array, masses: Array) -> Array:
        return self._project(self.inner.outputs(points, masses))

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        raw = np.concatenate([coefficients[: self.kept], self.basis @ coefficients[self.kept :]])
        return self.inner.contract(points, raw)

    def _project(self, raw: Array) -> Array:
        return np.concatenate([raw[..., : self.kept], raw[..., self.kept :] @ self.basis], axis=-1)


class Compressed(NamedTuple):
    """Fewer features, the loss of their outputs, and the error of U on the box as sampled."""

    features: FeatureMap
    loss: Loss
    error: float


def sample_box(lower: Array, upper: Array, count: int) -> Array:
    """Quasi-random points of a box, two thirds of them denser towards its lower faces, shape (count, D)."""
    unit = sequence(count, len(lower))
    unit[1::3] **= 2
    unit[2::3] = 10.0 ** (-4.0 * unit[2::3])
    return np.asarray(lower + (upper - lower) * unit)


def compress(
    features: FeatureMap, loss: Loss, lower: Array, upper: Array, accuracy: float, samples: int = 2048
) -> Compressed:
    """Compress `features` so that U on the box [lower, upper] changes by less than `accuracy`, as sampled.

    Under a loss that is not quadratic, Psi on the box changes by less; there features stay as they are where that does
    not halve their number.
    """
    points = sample_box(lower, upper, samples)
    bound = np.flatnonzero(~loss.free)
    kept = int(bound[-1]) + 1 if bound.size else 0
    parts = np.array_split(points, max(1, samples // 256))
    if kept > MOST_KEPT:
        raw = np.concatenate([features.values(part) for part in parts])
        return (
            _turned(features, loss, raw, accuracy)
            if isinstance(loss, SquareLoss)
            else _spanned(features, loss, raw, accuracy)
        )
    raw = np.concatenate([features.values(part)[:, kept:] for part in parts])
    if raw.shape[1] == 0:
        return Compressed(features, loss, 0.0)
    basis, error = _principal(raw, accuracy)
    return Compressed(CompressedFeatures(features, basis, kept), loss.rotated(kept, basis.shape[1]), error)


def _turned(features: FeatureMap, loss: SquareLoss, raw: Array, accuracy: float) -> Compressed:
    """The square loss with all of its target in the first output."""
    roots = np.sqrt(loss.weights)
    weighted, target = raw * roots, loss.targets * roots
    size = float(np.linalg.norm(target))
    along = (target / size)[:, None] if size > 0.0 else np.empty((len(target), 0))
    basis, error = _principal(weighted - (weighted @ along) @ along.T, accuracy)
    whole = np.column_stack([along, basis])
    targets = np.zeros(whole.shape[1])
    targets[: along.shape[1]] = size
    turned = SquareLoss(np.ones(len(targets)), targets, loss.constant)
    return Compressed(CompressedFeatures(features, roots[:, None] * whole), turned, error)


def _spanned(features: FeatureMap, loss: Loss, raw: Array, accuracy: float) -> Compressed:
    """Any loss through a basis of what the outputs span, orthonormal in its norm."""
    roots = np.sqrt(loss.metric)
    sampled = np.concatenate([np.zeros((1, raw.shape[1])), raw])
    slope = float(np.max(np.linalg.norm(loss.gradient(sampled) / roots, axis=1)))
    turned, sizes, vectors = linalg.svd(raw * roots, full_matrices=False)
    # squared norms of what the directions from each one on hold, summed from the smallest
    left = np.cumsum((turned * sizes)[:, ::-1] ** 2, axis=1)[:, ::-1].max(axis=0)
    errors = slope * np.sqrt(np.append(left, 0.0))
    rank = int(np.argmax(errors <= accuracy))
    if 2 * rank > raw.shape[1]:
        return Compressed(features, loss, 0.0)
    basis = vectors[:rank].T
    spanned = loss.through(basis / roots[:, None])
    return Compressed(CompressedFeatures(features, roots[:, None] * basis), spanned, float(errors[rank]))


def _principal(raw: Array, accuracy: float) -> tuple[Array, float]:
    """An orthonormal basis of what the rows span up to squared norms of `accuracy`, and the largest of what is left.

    Random combinations of the rows, a block of them at a time, span what the leading singular vectors do and a little
    more (Halko, Martinsson, Tropp, SIAM Review 53 (2011) 217); turned, the fewest of them are kept.
    """
    spanned, within = _range(raw, FINER * accuracy)
    turned = linalg.eigh(within.T @ within)[1][:, ::-1]
    left = np.sum(raw**2, axis=1)[:, None] - np.cumsum((within @ turned) ** 2, axis=1)
    errors = np.concatenate([[float(np.max(np.sum(raw**2, axis=1)))], left.max(axis=0)])
    below = np.flatnonzero(errors <= accuracy)
    rank = int(below[0]) if below.size else turned.shape[1]
    return spanned @ turned[:, :rank], max(float(errors[rank]), 0.0)


def _range(raw: Array, accuracy: float) -> tuple[Array, Array]:
    """Orthonormal directions that leave squared norms of `accuracy` of the rows, or rounding, and the rows in them."""
    left = np.sum(raw**2, axis=1)
    least, most = max(accuracy, ROUNDING * float(left.max())), min(raw.shape)
    generator = np.random.default_rng(0)
    spanned, within = np.empty((raw.shape[1], 0)), np.empty((len(raw), 0))
    while float(left.max()) > least and spanned.shape[1] < most:
        count = min(BLOCK, most - spanned.shape[1])
        found = raw.T @ generator.standard_normal((len(raw), count))
        for _ in range(2):
            found = linalg.qr(found - spanned @ (spanned.T @ found), mode="economic")[0]
        held = raw @ found
        left = left - np.sum(held**2, axis=1)
        spanned, within = np.hstack([spanned, found]), np.hstack([within, held])
    return spanned, within
