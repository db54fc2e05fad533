"""The mean of a pointwise loss over nodes, from a user's value and slope."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ...arrays import Array
from .hessian import Diagonal
from .interface import LOSSES, Loss, Pointwise
from .memory import Memory
from .square import Square, SquareLoss
from .through import LossThrough

DIFFERENCE = float(np.finfo(float).eps) ** (1.0 / 3.0)
"""Relative step of the central differences of a slope."""
WIDENINGS = 60
"""Doublings of the interval around y in which an output with a given slope is sought: to 1e18."""
BISECTIONS = 200
"""Most steps of Newton's method in that interval, which halves it where it does better than a step."""
ROUNDED = 4.0 * float(np.finfo(float).eps)
"""Error of the slope that rounding of it and of the output leaves, relative to them."""
_GAUSS = np.polynomial.legendre.leggauss(12)
CHORD_NODES, CHORD_WEIGHTS = 0.5 * (_GAUSS[0] + 1.0), 0.5 * _GAUSS[1]


@dataclass(frozen=True)
class PointwiseLoss(Loss):
    """L(q) = sum_m omega_m l(q_m, y_m); the reported risk is L, the mean loss where the omega sum up to 1.

    Attributes:
        weights: omega, shape (M,), positive.
        targets: y, shape (M,).
        pointwise: l.

    Raises:
        ValueError: targets that have no meaning for l, or an l without value or slope.
    """

    weights: Array
    targets: Array
    pointwise: Pointwise
    _memory: Memory = field(init=False, default_factory=Memory, repr=False, compare=False)

    def __post_init__(self) -> None:
        missing = [name for name in ("value", "slope") if not callable(getattr(self.pointwise, name, None))]
        if missing:
            raise ValueError(f"the loss {_name(self.pointwise)} needs a method {' and a method '.join(missing)}(f, y)")
        check = getattr(self.pointwise, "check", None)
        if check is not None:
            check(self.targets)

    @property
    def metric(self) -> Array:
        return self.weights

    @property
    def recession(self) -> Array | None:
        own = getattr(self.pointwise, "recession", None)
        return None if own is None else np.asarray(own(self.targets))

    @property
    def exponents(self) -> tuple[Array, Array] | None:
        own = getattr(self.pointwise, "exponents", None)
        return None if own is None else own(self.targets)

    @property
    def scale(self) -> float:
        zero = np.zeros_like(self.targets)
        return float(self.weights @ (2.0 * np.abs(self.pointwise.value(zero, self.targets)) + 1.0))

    def value(self, outputs: Array) -> float:
        return float(self.weights @ self.pointwise.value(outputs, self.targets))

    def gradient(self, outputs: Array) -> Array:
        return self.weights * self.pointwise.slope(outputs, self.targets)

    def hessian(self, outputs: Array) -> Diagonal:
        return Diagonal(self.weights * curvature(self.pointwise, outputs, self.targets))

    def conjugate(self, gradient: Array) -> float:
        slope = gradient / self.weights
        own = getattr(self.pointwise, "conjugate", None)
        if own is not None:
            return float(self.weights @ own(slope, self.targets))
        outputs = self.conjugate_gradient(gradient)
        return float(gradient @ outputs) - self.value(outputs) if np.isfinite(outputs).all() else math.inf

    def conjugate_gradient(self, gradient: Array) -> Array:
        return self._memory.of(gradient, self._maximiser)

    def _maximiser(self, gradient: Array) -> Array:
        return conjugate_slope(self.pointwise, gradient / self.weights, self.targets)

    def chord(self, start: Array) -> PointwiseLoss:
        return PointwiseLoss(self.weights, self.targets, _Chord(self.pointwise, start))

    def rounding(self, outputs: Array) -> float:
        sizes = np.abs(self.gradient(outputs)) @ (np.abs(outputs) + np.abs(self.targets))
        return float(sizes + 2.0 * self.weights @ np.abs(self.pointwise.value(outputs, self.targets)))

    def through(self, basis: Array) -> Loss:
        return LossThrough(self, basis)


def nodal_loss(name: str, weights: Array, targets: Array) -> Loss:
    """The mean over nodes of the registered loss of this name.

    Raises:
        KeyError: no loss has this name.
        ValueError: targets that have no meaning for it.
    """
    chosen = LOSSES[name]
    return SquareLoss(weights, targets) if chosen is Square else PointwiseLoss(weights, targets, chosen())


def curvature(pointwise: Pointwise, f: Array, y: Array) -> Array:
    """d^2 l/df^2 >= 0, by central differences of the slope where the loss does not say."""
    own = getattr(pointwise, "curvature", None)
    if own is not None:
        return np.asarray(own(f, y))
    step = DIFFERENCE * (1.0 + np.abs(f))
    above, below = f + step, f - step
    return np.asarray(np.maximum((pointwise.slope(above, y) - pointwise.slope(below, y)) / (above - below), 0.0))


def conjugate_slope(pointwise: Pointwise, v: Array, y: Array) -> Array:
    """The f at which the slope is v, NaN where there is none: by Newton's method where the loss does not say."""
    own = getattr(pointwise, "conjugate_slope", None)
    return np.asarray(own(v, y)) if own is not None else _inverted(pointwise, v, y)


def _inverted(pointwise: Pointwise, v: Array, y: Array) -> Array:
    """Newton's method kept within an interval that the monotone slope halves."""
    low, high = _interval(pointwise, v, y)
    f = np.where(np.isfinite(low + high), y, np.nan)
    for _ in range(BISECTIONS):
        excess, bend = pointwise.slope(f, y) - v, curvature(pointwise, f, y)
        open_ = np.abs(excess) > ROUNDED * (np.abs(v) + bend * np.abs(f))
        if not open_.any():
            break
        low, high = np.where(excess < 0.0, f, low), np.where(excess > 0.0, f, high)
        newton = f - np.divide(excess, bend, out=np.full_like(f, np.inf), where=bend > 0.0)
        following = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
        f = np.where(open_, following, f)
    return f


def _interval(pointwise: Pointwise, v: Array, y: Array) -> tuple[Array, Array]:
    """Outputs at which the slope is below and above v, NaN where it never is."""
    reach = 1.0 + np.abs(y)
    low, high = y - reach, y + reach
    for _ in range(WIDENINGS):
        early, late = pointwise.slope(low, y) > v, pointwise.slope(high, y) < v
        if not (early | late).any():
            break
        reach = 2.0 * reach
        low, high = np.where(early, y - reach, low), np.where(late, y + reach, high)
    found = ~(early | late) & np.isfinite(v)
    return np.where(found, low, np.nan), np.where(found, high, np.nan)


@dataclass(frozen=True)
class _Chord:
    """The function of f whose slope is that of l averaged from a start to f, by Gauss' rule.

    Attributes:
        inner: l.
        start: of each node, shape (M,).
    """

    inner: Pointwise
    start: Array

    def value(self, f: Array, y: Array) -> Array:
        rises = self.inner.value(self._places(f), y) - self.inner.value(self.start, y)
        return np.asarray(np.tensordot(CHORD_WEIGHTS / CHORD_NODES, rises, 1))

    def slope(self, f: Array, y: Array) -> Array:
        return np.asarray(np.tensordot(CHORD_WEIGHTS, self.inner.slope(self._places(f), y), 1))

    def curvature(self, f: Array, y: Array) -> Array:
        return np.asarray(np.tensordot(CHORD_WEIGHTS * CHORD_NODES, curvature(self.inner, self._places(f), y), 1))

    def _places(self, f: Array) -> Array:
        """The nodes on the way to f of shape (..., M), one more axis in front."""
        shares = CHORD_NODES.reshape(-1, *(1 for _ in f.shape))
        return np.asarray(self.start + shares * (f - self.start))


def _name(pointwise: Pointwise) -> str:
    return str(getattr(pointwise, "name", type(pointwise).__name__))
