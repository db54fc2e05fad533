"""Two units of jointly normal pre-activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ...arrays import Array
from ..activation import TINY_SCALE
from ..hinges import FAR, density, hinge_products
from .kernels import BOX, REMAINDER, STEPPED, TILTED, WHOLE, WIDE, compact
from .standard import Standard


@dataclass(frozen=True)
class RampPair:
    """Two units of jointly normal pre-activations.

    Attributes:
        u, v: the units.
        sign, gap: the correlation is sign (1 - gap), shape (n,) each.
    """

    u: Standard
    v: Standard
    sign: Array
    gap: Array

    @property
    def correlation(self) -> Array:
        return self.sign * (1.0 - self.gap)

    def moment(self, p: int, q: int) -> Array:
        """E sigma^(p)(u) sigma^(q)(v) for p and q of 0 and 1."""
        found = self._closed(p, q)
        if self.u.narrow.any():
            found = found + self._compact(BOX if p else REMAINDER, q, WHOLE) / self.u.scale**p / self.v.scale**q
        if self.v.narrow.any():
            rest = self.swapped._compact(BOX if q else REMAINDER, p, WIDE if p else STEPPED)
            found = found + rest / self.u.scale**p / self.v.scale**q
        return np.asarray(found)

    def bent(self) -> Array:
        """E sigma''(u) sigma(v)."""
        found = self._at_kinks()
        if self.u.narrow.any():
            narrow = self._compact(TILTED, 0, WHOLE) - self.correlation * self._compact(BOX, 1, WHOLE)
            found = found + narrow / self.u.scale**2
        return np.asarray(found)

    def tilted(self) -> Array:
        """E X sigma'(u) sigma(v): of what is not narrow by Stein's lemma."""
        slopes = self._closed(1, 1)
        if self.v.narrow.any():
            slopes = slopes + self.swapped._compact(BOX, 1, WIDE) / self.u.scale / self.v.scale
        found = self.u.scale * self._at_kinks() + self.correlation * self.v.scale * slopes
        if self.u.narrow.any():
            found = found + self._compact(TILTED, 0, WHOLE) / self.u.scale
        return np.asarray(found)

    @property
    def swapped(self) -> RampPair:
        return RampPair(self.v, self.u, self.sign, self.gap)

    def _closed(self, p: int, q: int) -> Array:
        """Lines, hinges and steps with one another."""
        lines = self.u.start(p), self.v.start(q)
        elements = self.u.elements(p), self.v.elements(q)
        total = lines[0][0] * lines[1][0] + lines[0][1] * lines[1][1] * self.correlation
        for (level, rise), others in zip(lines, reversed(elements), strict=True):
            for size, side, place, kind in others:
                dense, tail = density(place), special.ndtr(-place)
                mean, slant = (dense - place * tail, tail) if kind == 0 else (tail, dense)
                total = total + size * (level * mean + rise * self.correlation * side * slant)
        for size, side, place, kind in elements[0]:
            for other, other_side, other_place, other_kind in elements[1]:
                sign = side * other_side * self.sign
                products = hinge_products(kind, other_kind, place, other_place, sign, self.gap)
                total = total + size * other * products
        return np.asarray(total)

    def _at_kinks(self) -> Array:
        """E sigma''(u) sigma(v) without narrow ramps of u: v has a normal law where u is at a knot."""
        total, width = np.zeros_like(self.gap), np.sqrt(np.maximum(self.gap * (2.0 - self.gap), 0.0))
        u, v = self.u, self.v
        spread = v.scale * width
        for i in range(u.x.shape[1]):
            x = u.distance[:, i] / u.scale
            moved = v.distance - (self.correlation * v.scale * np.clip(x, -FAR, FAR))[:, None]
            given = Standard(v.pieces, np.maximum(spread, TINY_SCALE), moved).moments(spread)[0][0]
            total = total + u.kinks[:, i] / u.scale * density(x) * given
        return total

    def _compact(self, weighting: int, order: int, other: int) -> Array:
        """E w(X) d^order E[sigma(v) | Y] of the narrow ramps w of u; derivatives are those in Y."""
        u, v, found = self.u, self.v, np.zeros_like(self.gap)
        outer = np.array([v.pieces.first, v.pieces.last]) * v.scale[:, None]
        compact(
            (weighting, order, other),
            (u.x, u.deltas, u.narrow, u.pieces.rises),
            (v.distance / v.scale[:, None], v.deltas, v.narrow, v.pieces.rises, v.pieces.values, outer),
            (self.sign, self.gap),
            found,
        )
        return found
