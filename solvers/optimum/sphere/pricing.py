"""The direction to which weighted samples respond most: the oracle of every problem over measures on the sphere.

For samples X_p of R^D, weights alpha_p of any sign and sigma positively 1-homogeneous, sigma(t) = right t for t > 0 and
left t for t < 0, find

    max over |u| = 1 of |h(u)|,     h(u) = sum_p alpha_p sigma(<u, X_p>).

The planes <u, X_p> = 0 cut the sphere into cells on which h is linear, h(u) = <G, u>. An extreme of h lies at +-G/|G|
of a cell, at the same of a face of it (G projected on the planes that hold the face), or at a vertex. Where the samples
span three dimensions or fewer all of them are looked at: along each great circle the crossings with the others are
sorted, and G changes by one term at each, so that K planes cost K^2 log K. In more dimensions many ascents climb to
local maxima, and nothing is proven: 250 of them have been seen to miss the largest in D = 15.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...objective.kinks import distinct_planes

Slopes = tuple[float, float]
"""sigma' to the right of 0 and to the left."""
RELU: Slopes = (1.0, 0.0)
EXACT = 3
"""Dimensions whose arrangements are enumerated."""
RANK = 1e-13
"""Length, over the largest, of a dimension that samples do not span."""
SLACK = 4e-12
"""How much of sum |alpha_p X_p| planes taken for the same, and cells of no width, may hide."""
CHUNK = 1024
"""Candidates that are looked at together, those that promise most the first."""
SAME = 1e-9
"""Distance of directions that are one."""
STARTS, STEPS, POLISHED = 2000, 60, 64
"""Ascents in many dimensions, steps of each, and how many of the best are put on the planes beside them."""
FIRST, LONGER, SHORTER = 0.3, 1.3, 0.4
"""First step of an ascent, an angle, and its factors after one that rises and one that does not."""


class Priced(NamedTuple):
    """What responds most.

    Attributes:
        units: directions, the best first, shape (K, D).
        values: h there, signed, shape (K,).
        bound: no direction has a larger |h|; where it is not certified, the largest found.
        certified: whether all cells, faces and vertices were looked at.
    """

    units: Array
    values: Array
    bound: float
    certified: bool


def largest_response(
    alpha: Array,
    points: Array,
    slopes: Slopes = RELU,
    most: int = 20,
    near: Array | None = None,
    starts: int = STARTS,
    seed: int = 0,
) -> Priced:
    """Directions of the largest |sum_p alpha_p sigma(<u, X_p>)|.

    Args:
        alpha: shape (P,).
        points: X, shape (P, D).
        slopes: of sigma, to the right of 0 and to the left.
        most: how many directions are returned at most, good ones after the best.
        near: directions (n, D) from which ascents begin in many dimensions, beside those at random.
        starts, seed: how many are at random, and their seed.
    """
    alpha, points = np.asarray(alpha, dtype=float), np.asarray(points, dtype=float)
    acting = (alpha != 0.0) & points.any(axis=1)
    if not acting.any():
        return Priced(np.eye(points.shape[1])[:1], np.zeros(1), 0.0, True)
    alpha, points = alpha[acting], points[acting]
    _, sizes, axes = np.linalg.svd(points * (np.abs(alpha) / np.abs(alpha).max())[:, None], full_matrices=False)
    span = axes[sizes > RANK * sizes[0]]
    exact = len(span) <= EXACT
    within = points @ span.T
    if exact:
        units, values = _listed(alpha, within, slopes, most)
    else:
        random = np.random.default_rng(seed).standard_normal((starts, len(span)))
        begun = np.concatenate([random, within, -within, *(() if near is None else (near @ span.T,))])
        units, values = _climbed(_unit(begun), alpha, within, slopes, most)
    best = float(np.abs(values[0]))
    slack = SLACK * max(map(abs, slopes)) * float(np.abs(alpha) @ np.linalg.norm(points, axis=1)) if exact else 0.0
    return Priced(units @ span, values, best + slack, exact)


def responses(units: Array, points: Array, slopes: Slopes = RELU) -> Array:
    """sigma(<u, X_p>), shape (n, P)."""
    heights = units @ points.T
    right, left = slopes
    return np.asarray(right * np.maximum(heights, 0.0) + left * np.minimum(heights, 0.0))


def _listed(alpha: Array, points: Array, slopes: Slopes, most: int) -> tuple[Array, Array]:
    """Every extreme of cells, edges and vertices: the best of them, with their values."""
    right, left = slopes
    dimension, pulls = points.shape[1], alpha[:, None] * points
    even = 0.5 * (right + left) * pulls.sum(axis=0)
    plane, turned, normals, _ = distinct_planes(points, np.zeros(len(points)))
    odd = np.zeros_like(normals)
    np.add.at(odd, plane, 0.5 * (right - left) * np.where(turned, -1.0, 1.0)[:, None] * pulls)
    if dimension == 1:
        return _best(np.eye(1), alpha, points, slopes, most)
    count = len(normals)
    if dimension == 2:
        arcs = _swept(np.eye(2)[None], normals, odd, np.arange(count)[None])
        found = [part for way in (1.0, -1.0) for part in _of_arcs(even + way * arcs.sums, arcs)]
        return _best(np.concatenate(found), alpha, points, slopes, most)
    others = np.arange(count * count).reshape(count, count) % count
    others = others[~np.eye(count, dtype=bool)].reshape(count, count - 1)
    arcs = _swept(np.linalg.svd(normals[:, None, :])[2][:, 1:, :], normals, odd, others)
    own, pull = np.repeat(normals, count - 1, axis=0), np.repeat(odd, count - 1, axis=0)
    found = []
    for way in (1.0, -1.0):
        edges = even + way * arcs.sums
        found += _of_arcs(edges - np.einsum("ni,ni->n", edges, own)[:, None] * own, arcs)
        found += [_held(edges + side * pull, (*arcs.sides, way * side * own)) for side in (1.0, -1.0)]
    return _best(np.concatenate(found), alpha, points, slopes, most)


class _Arcs(NamedTuple):
    """The arcs of half circles, n in all.

    Attributes:
        sums: sum_j sign<u, n_j> odd_j on each, shape (n, r).
        sides: normals of the planes at its two ends, turned so that <u, .> >= 0 on it, of shape (n, r).
        vertices: where it begins, shape (n, r).
    """

    sums: Array
    sides: tuple[Array, ...]
    vertices: Array


def _swept(bases: Array, normals: Array, odd: Array, others: NDArray[np.int64]) -> _Arcs:
    """Arcs along circles: sign<u, n_j> changes at the crossing with plane j, to `sense`, and the sum is a running one.

    Args:
        bases: orthonormal, of the planes of C circles, shape (C, 2, r).
        normals, odd: of the planes, shape (K, r).
        others: planes that cross each circle, shape (C, J).
    """
    across = np.einsum("cia,cja->cji", bases, normals[others])
    angle = np.arctan2(across[..., 1], across[..., 0]) + 0.5 * np.pi
    sense = np.where((angle >= 0.0) & (angle < np.pi), -1.0, 1.0)
    angle = np.mod(angle, np.pi)
    order = np.argsort(angle, axis=1)
    angle, sense, met = (np.take_along_axis(each, order, axis=1) for each in (angle, sense, others))
    turns = sense[..., None] * odd[met]
    sums = 2.0 * np.cumsum(turns, axis=1) - turns.sum(axis=1, keepdims=True)
    begins = sense[..., None] * normals[met]
    ends = -np.roll(begins, -1, axis=1)
    # the last arc ends opposite to where the first one begins
    ends[:, -1] *= -1.0
    ways = np.cos(angle)[..., None] * bases[:, :1, :] + np.sin(angle)[..., None] * bases[:, 1:, :]
    sums, begins, ends, ways = (each.reshape(-1, normals.shape[1]) for each in (sums, begins, ends, ways))
    return _Arcs(sums, (begins, ends), ways)


def _of_arcs(gradients: Array, arcs: _Arcs) -> list[Array]:
    """The candidates of arcs and of where they begin, each as long as |h| is there."""
    heights = np.einsum("ni,ni->n", gradients, arcs.vertices)
    return [_held(gradients, arcs.sides), heights[:, None] * arcs.vertices]


def _held(gradients: Array, sides: tuple[Array, ...]) -> Array:
    """Those that may lie, or their opposites may, on one side of planes that bound their cells."""
    heights = np.stack([np.einsum("ni,ni->n", gradients, side) for side in sides])
    rounding = SAME * np.linalg.norm(gradients, axis=1)
    return np.asarray(gradients[(heights >= -rounding).all(axis=0) | (heights <= rounding).all(axis=0)])


def _best(candidates: Array, alpha: Array, points: Array, slopes: Slopes, most: int) -> tuple[Array, Array]:
    """The best of +- candidates, which are at least as long as |h| is there if their cells hold them."""
    lengths = np.linalg.norm(candidates, axis=1)
    order = np.argsort(-lengths, kind="stable")
    units, values = np.eye(points.shape[1])[:1], responses(np.eye(points.shape[1])[:1], points, slopes) @ alpha
    for first in range(0, int((lengths > 0.0).sum()), CHUNK):
        chosen = order[first : min(first + CHUNK, int((lengths > 0.0).sum()))]
        if first and lengths[chosen[0]] <= np.abs(values[0]):
            break
        part = candidates[chosen] / lengths[chosen, None]
        units = np.concatenate([units, part, -part])
        values = np.concatenate([values, *(responses(way, points, slopes) @ alpha for way in (part, -part))])
        units, values = _distinct(units, values, most)
    return units, values


def _distinct(units: Array, values: Array, most: int) -> tuple[Array, Array]:
    """The best that are not the same, in the order of |h|."""
    order = np.argsort(-np.abs(values), kind="stable")
    kept: list[int] = []
    for i in order[: 16 * most]:
        if not kept or np.abs(units[kept] - units[i]).max(axis=1).min() > SAME:
            kept.append(int(i))
        if len(kept) == most:
            break
    return units[kept], values[kept]


def _climbed(units: Array, alpha: Array, points: Array, slopes: Slopes, most: int) -> tuple[Array, Array]:
    """Local maxima of |h| by ascents along its gradient, the best of them put on the planes where they stall."""
    values, gradients = _followed(units, alpha, points, slopes)
    step = np.full(len(units), FIRST)
    for _ in range(STEPS):
        tangents = gradients - np.einsum("ni,ni->n", gradients, units)[:, None] * units
        trial = _unit(units + step[:, None] * _unit(np.sign(values)[:, None] * tangents))
        reached, slopes_there = _followed(trial, alpha, points, slopes)
        better = np.abs(reached) > np.abs(values)
        units[better], values[better], gradients[better] = trial[better], reached[better], slopes_there[better]
        step *= np.where(better, LONGER, SHORTER)
    units, values = _distinct(units, values, max(most, POLISHED))
    return _distinct(*_polished(units, values, alpha, points, slopes), most)


def _polished(units: Array, values: Array, alpha: Array, points: Array, slopes: Slopes) -> tuple[Array, Array]:
    """Each maximum put where |h| is largest among the planes of its nearest concave kinks, as long as it rises."""
    units, values = units.copy(), values.copy()
    bends = alpha * (slopes[0] - slopes[1])
    lengths = np.linalg.norm(points, axis=1)
    for i in range(len(units)):
        for _ in range(STEPS):
            sign = np.sign(values[i])
            concave = np.flatnonzero(sign * bends < 0.0)
            nearest = concave[np.argsort(np.abs(points[concave] @ units[i]) / lengths[concave])][: len(units[i]) - 1]
            gradient = sign * _followed(units[i : i + 1], alpha, points, slopes)[1][0]
            basis = np.linalg.qr(points[nearest].T)[0].T
            trials = gradient - np.vstack([np.zeros_like(gradient), np.cumsum((basis @ gradient)[:, None] * basis, 0)])
            trials = _unit(trials)
            found = sign * (responses(trials, points, slopes) @ alpha)
            best = int(np.argmax(found))
            if not (found[best] > np.abs(values[i]) * (1.0 + 1e-15)):
                break
            units[i], values[i] = trials[best], sign * found[best]
    return units, values


def _followed(units: Array, alpha: Array, points: Array, slopes: Slopes) -> tuple[Array, Array]:
    """h and its gradient."""
    heights = units @ points.T
    right, left = slopes
    gradients = (np.where(heights > 0.0, right, left) * alpha) @ points
    return np.einsum("ni,ni->n", gradients, units), gradients


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300))
