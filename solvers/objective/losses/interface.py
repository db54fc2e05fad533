"""What schemes ask of a loss, and what a user writes to make one.

L is a convex function of the M outputs q = Phi rho. The flow is the Wasserstein gradient flow of L(Phi rho) + ...,
its free energy F = 2 L + ... (2 L is the mean square error for the square loss).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...registry import Registry
from .hessian import Hessian


class Pointwise(Protocol):
    """A loss l(f, y) of one output f for one target y, convex and differentiable in f, by NumPy on whole arrays.

    The outputs have shape (..., M) and the targets (M,), so that the usual operators broadcast.
    Optional further methods: `curvature(f, y)`, the second derivative in f (else by differences of the slope),
    `conjugate(v, y)` = sup_f v f - l(f, y) and its derivative `conjugate_slope(v, y)`, inf and NaN where the slope is
    never v (else by Newton's method), `check(y)`, which raises ValueError for targets without meaning, and
    `recession(y)`, the direction in which l falls for ever towards its infimum, which it then does not attain;
    `exponents(y)`, the slopes s and constants c, each (I, M), where l = log sum_i exp(s_i f + c_i); and
    `logarithms(f, y)`, log l and log |l'| of an l > 0 that falls for ever, by which it can be the clock of a run;
    a static `pull(f, y, out, count)` that numba compiles, out[i] = -l'(f[i], y[i]), else SGD takes its steps by NumPy.
    """

    def value(self, f: Array, y: Array) -> Array:
        """l(f, y)."""
        ...

    def slope(self, f: Array, y: Array) -> Array:
        """dl/df."""
        ...


LOSSES: Registry[Pointwise] = Registry("loss", __package__ or "")
"""Pointwise losses by the name that a configuration gives them."""
loss = LOSSES.register
"""The decorator `@mfpde.loss(name)` of a loss's class."""


class Loss(Protocol):
    """A convex function L of M outputs. Methods with a body serve every loss; quadratic ones have shorter ways."""

    @property
    def quadratic(self) -> bool:
        """Whether L is quadratic."""
        return False

    @property
    def descends(self) -> bool:
        """Whether the flow lowers its energy."""
        return True

    @property
    def metric(self) -> Array:
        """Weights omega > 0 of the norm |q|^2 = sum omega q^2 in which outputs are measured, shape (M,)."""
        ...

    @property
    def scale(self) -> float:
        """What 2 L is of the order of, for tolerances: for the square loss that of the zero function."""
        ...

    @property
    def recession(self) -> Array | None:
        """The directions, shape (M,), in which L falls for ever in each output; None where it is attained."""
        return None

    @property
    def exponents(self) -> tuple[Array, Array] | None:
        """Slopes and constants (I, M) where L = sum_m metric_m log sum_i exp(slopes_im q_m + constants_im), or None."""
        return None

    @property
    def free(self) -> NDArray[np.bool_]:
        """Outputs of unit weight that an orthonormal change of basis leaves of the same form, shape (M,)."""
        return np.zeros(self.metric.shape, dtype=np.bool_)

    def value(self, outputs: Array) -> float:
        """L."""
        ...

    def risk(self, outputs: Array) -> float:
        """What is reported: the mean loss, L itself (the square loss reports the mean square error 2 L)."""
        return self.value(outputs)

    def gradient(self, outputs: Array) -> Array:
        """grad L at outputs of shape (..., M), of the same shape."""
        ...

    def hessian(self, outputs: Array) -> Hessian:
        """Hess L."""
        ...

    def conjugate(self, gradient: Array) -> float:
        """L*(g) = sup_q g . q - L(q), inf where that is not bounded."""
        ...

    def conjugate_gradient(self, gradient: Array) -> Array:
        """The outputs at which grad L = g, shape (M,); NaN where there are none."""
        ...

    def conjugate_hessian(self, gradient: Array) -> Hessian:
        """Hess L*, the inverse of Hess L there."""
        return self.hessian(self.conjugate_gradient(gradient)).inverse()

    def mismatch(self, outputs: Array, gradient: Array) -> Array:
        """outputs - grad L*(g), shape (M,)."""
        return outputs - self.conjugate_gradient(gradient)

    def divergence(self, start: Array, move: Array) -> float:
        """A bound of L(start + move) - L(start) - grad L(start) . move >= 0 that is free of cancellation.

        It is attained by a quadratic loss; else it is that plus the same with the two ends exchanged.
        """
        return float((self.gradient(start + move) - self.gradient(start)) @ move)

    def chord(self, start: Array) -> Loss:
        """The convex function of q whose gradient is grad L averaged along the segment from `start` to q.

        So with g its gradient L(q) - L(start) = g . (q - start): the discrete gradient of energy-preserving methods.
        """
        ...

    def mean_gradient(self, start: Array, end: Array) -> Array:
        """grad L averaged along the segment between two outputs."""
        return self.chord(start).gradient(end)

    def model(self, outputs: Array) -> tuple[Hessian, Array]:
        """H and h of the quadratic q . H q / 2 - h . q that L is near the outputs, up to a constant."""
        hessian = self.hessian(outputs)
        return hessian, hessian @ outputs - self.gradient(outputs)

    def rounding(self, outputs: Array) -> float:
        """Sum of the magnitudes that 2 L adds, of which its rounding is a multiple."""
        ...

    def through(self, basis: Array) -> Loss:
        """The loss q -> L(basis q), basis of shape (M, K)."""
        ...

    def shifted(self, origin: Array) -> Loss:
        """The loss q -> L(q - origin).

        Raises:
            ValueError: it is not offered.
        """
        raise ValueError(f"{type(self).__name__} does not shift its outputs")

    def rotated(self, kept: int, rank: int) -> Loss:
        """The loss with `rank` coordinates in an orthonormal basis in place of the outputs from number `kept` on.

        Raises:
            ValueError: these outputs are not free.
        """
        raise ValueError(f"{type(self).__name__} has no outputs that may be rotated freely; use through(basis)")


def least(loss: Loss) -> float:
    """Lower bound of 2 L."""
    return 0.0 - 2.0 * loss.conjugate(np.zeros_like(loss.metric))


def refuse_ascent(loss: Loss, schemes: str) -> None:
    """ValueError for a loss whose flow may raise its energy, by which these schemes accept their steps."""
    if not loss.descends:
        problem = f"{schemes} take only steps that lower the energy, which this loss may raise"
        raise ValueError(f"{problem}; use characteristics or particles")
