"""Expectations of hinges and steps over one and two jointly Gaussian variables, in closed form.

For (X, Y) standard normal of correlation rho, s^2 = 1 - rho^2 and places h and k,

    E 1(X > h) 1(Y > k) = L                                                             (Owen's T function)
    E (X - h)_+ 1(Y > k) = n(h) Q((k - rho h)/s) + rho n(k) Q((h - rho k)/s) - h L,
    E (X - h)_+ (Y - k)_+ = (rho + h k) L - k n(h) Q((k - rho h)/s) - h n(k) Q((h - rho k)/s) + s n(h) n((k - rho h)/s),

Q and n the normal tail and density. D. B. Owen, Ann. Math. Statist. 27 (1956) 1075.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from ..arrays import Array

FAR = 40.0
"""|x| beyond which the normal density is below 1e-340: moments there are exactly those of t = 0."""
_NUDGE = 1e-20


def density(x: Array) -> Array:
    """The standard normal density; 0 far out, without overflow."""
    return np.asarray(np.exp(-0.5 * np.minimum(np.abs(x), 1e100) ** 2) / math.sqrt(2.0 * math.pi))


def hinge_products(p: int, q: int, h: Array, k: Array, sign: Array, gap: Array) -> Array:
    """E f(X) g(Y), f = (x - h)_+ for p = 0 and 1(x > h) for p = 1, g of k and q likewise; elementwise.

    The correlation is sign (1 - gap), sign -1 or 1 and gap in [0, 1], without cancellation where it is near its ends.
    """
    h = np.where(np.abs(h) < _NUDGE, _NUDGE, h)
    k = np.where(np.abs(k) < _NUDGE, _NUDGE, k)
    correlation = sign * (1.0 - gap)
    width = np.sqrt(np.maximum(gap * (2.0 - gap), 1e-300))
    # k - rho h without cancellation where rho is near ±1
    first = np.clip(((k - sign * h) + sign * gap * h) / width, -1e100, 1e100)
    second = np.clip(((h - sign * k) + sign * gap * k) / width, -1e100, 1e100)
    both = _joint_tail(h, k, first, second)
    if p == q == 1:
        return both
    beyond_k, beyond_h = density(h) * special.ndtr(-first), density(k) * special.ndtr(-second)
    if p == q == 0:
        ends = k * beyond_k + h * beyond_h
        return np.asarray((correlation + h * k) * both - ends + width * density(h) * density(first))
    if p == 0:
        return np.asarray(beyond_k + correlation * beyond_h - h * both)
    return np.asarray(beyond_h + correlation * beyond_k - k * both)


def _joint_tail(h: Array, k: Array, first: Array, second: Array) -> Array:
    """P(X > h, Y > k), from first = (k - rho h)/s and second = (h - rho k)/s."""
    tails = 0.5 * (special.ndtr(-h) + special.ndtr(-k))
    owen = special.owens_t(h, first / h) + special.owens_t(k, second / k)
    return np.asarray(np.maximum(tails - owen - np.where(h * k > 0.0, 0.0, 0.5), 0.0))
