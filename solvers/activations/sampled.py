"""An activation of which only the values (and slopes) are known: moments by composite Gauss rules, split at its knots.

The panels of a rule are `width` wide in u, and never wide for the normal law or h_k. The width is found by halving it
until moments settle; what is left is measured against a finer rule (`moment_error`). Where the normal law is so wide in
u that there would be more than `MANY` of them, they are as wide as sigma is a polynomial on them. sigma'' is not
needed:

    t E[sigma''(t X + b) h_k(X)] = sqrt(k + 1) E[sigma'(t X + b) h_{k+1}(X)],
    t E[sigma''(u) sigma(v)]     = E[X sigma'(u) sigma(v)] - rho t' E[sigma'(u) sigma'(v)].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from ..arrays import Array
from .activation import TINY_SCALE, Activation, Bounds, Compiled, Moments, Pair
from .samples import Function, check, evaluated, kinks_of, largest_values, slope_of

REACH, PAIR_REACH = 12.5, 8.6
"""|X| that a rule covers: with h_k, that times the density decays like exp(-x^2 / 4) only; without."""
NODES = 20
"""Gauss nodes of a panel."""
WIDEST = 2.5
"""Widest panel in X."""
WAVES = 12.0
"""Widest panel in wave lengths over 2 pi of h_k, that is in 1 / sqrt(2 k + 1)."""
WIDTHS: tuple[float, ...] = tuple(8.0 * 0.5 ** (0.5 * level) for level in range(15))
"""Widths in u that are tried; more panels than of the last one cost more than they bring."""
SETTLED = 1e-13
"""Change of moments, relative to the largest, from one width to the next."""
LAYERS = np.array([-8.0, -3.0, 0.0, 3.0, 8.0])
"""Ends of panels about a kink that is smoothed by a normal law, in its standard deviations."""
MANY = 100
"""Panels of one width, beyond which they are graded."""
FINEST = 0.1
"""Half of a graded panel at least, in widths."""
MISSED = 1e-11
"""Distance of sigma from its polynomial on a graded panel, relative to its size there, that a feature makes."""
PROBES = 2**22
"""Most places of a graded panel where sigma is held against its polynomial: `width` apart, or drawn if that is more."""
SLAB = 2**15
"""Places held at once."""
CHUNK = 1_000_000
"""Values held at once."""
PAIRS = 64
"""Pairs whose rules are made at once."""
CONE = 1e-9
"""Scale below which slopes are taken on either side of b: at a knot those of the cone."""


class Sampled(Activation):
    """An activation given by functions on arrays.

    Args:
        value: sigma, elementwise on arrays, continuous.
        slope: sigma'; None for differences of the values.
        name: for messages and results.
        knots: where sigma' or a higher derivative may jump.
        bounds: proven bounds; None for the largest values among samples.
        homogeneity: k with sigma(c u) = c^k sigma(u) for c > 0, where there is one.

    Raises:
        ValueError: the functions do not work on arrays, are not finite, or contradict one another.
    """

    def __init__(
        self,
        value: Function,
        slope: Function | None = None,
        name: str = "activation",
        knots: Sequence[float] | Array = (),
        bounds: Bounds | None = None,
        homogeneity: float | None = None,
    ) -> None:
        self.name, self.homogeneity = name, homogeneity
        self._value, self._declared_slope, self._declared_bounds = value, slope, bounds
        self._knots = np.unique(np.asarray(knots, dtype=float))
        self._slope = slope_of(value, self._knots) if slope is None else slope
        self._grades: dict[tuple[int, float], Array] = {}
        check(name, value, self._slope, self._knots, slope is None)

    @classmethod
    def of(cls, given: Any, name: str) -> Sampled:
        """The activation of an object with `value` and, if it likes, `slope`, `knots`, `bounds` and `homogeneity`."""
        slope = getattr(given, "slope", None)
        knots, bounds = getattr(given, "knots", ()), getattr(given, "bounds", None)
        return cls(given.value, slope, name, knots, bounds, getattr(given, "homogeneity", None))

    @property
    def knots(self) -> Array:
        return self._knots

    @cached_property
    def kinks(self) -> Array:
        return kinks_of(self._slope, self._knots)

    def value(self, u: Array) -> Array:
        return self._finite("value", self._value, u)

    def slope(self, u: Array) -> Array:
        return self._finite("slope", self._slope, u)

    def _finite(self, what: str, function: Function, u: Array) -> Array:
        found = evaluated(function, u)
        if not np.all(np.isfinite(found)):
            raise FloatingPointError(f"{what}({u[~np.isfinite(found)][0]:g}) of {self.name!r} is not finite")
        return found

    def bounds(self) -> Bounds:
        return self._sampled_bounds if self._declared_bounds is None else self._declared_bounds

    @cached_property
    def _sampled_bounds(self) -> Bounds:
        return largest_values(self._value, self._slope, self._knots, self.kinks)

    def compiled(self, precision: str) -> Compiled | None:
        from .translated import translated_address

        if self._declared_slope is None:
            return None
        address = translated_address(self._value, self._declared_slope, precision)
        return None if address is None else (address, np.zeros((3, 2), precision))

    @cached_property
    def width(self) -> float:
        """Width of the panels in u."""
        scale, offset = (part.ravel() for part in np.meshgrid([0.5, 2.0, 8.0, 16.0], [0.0, 0.37, -1.3]))
        coarse = self._both(scale, offset, WIDTHS[0])
        for width, finer in pairwise(WIDTHS):
            fine = self._both(scale, offset, finer)
            if np.max(np.linalg.norm(fine - coarse, axis=1)) <= SETTLED * np.max(np.linalg.norm(fine, axis=1)):
                return width
            coarse = fine
        return WIDTHS[-1]

    def _both(self, scale: Array, offset: Array, width: float) -> Array:
        """A few moments of sigma and of sigma', side by side."""
        return np.concatenate([self._expectations(order, scale, offset, 12, width) for order in (0, 1)], axis=1)

    def mean(self, scale: Array, offset: Array) -> Moments:
        return self.expansion(scale, offset, 0)[0]

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        return self.expansion(scale, offset, highest)[1]

    def expansion(self, scale: Array, offset: Array, highest: int) -> tuple[Moments, Moments]:
        moments = self._even(scale, offset, highest, self.width)
        return Moments(*(part[:, 0] for part in moments)), Moments(*(part[:, 1:] for part in moments))

    def moment_error(self, scale: Array, offset: Array, highest: int) -> float:
        found = self._even(scale, offset, highest, self.width).value
        finer = self._even(scale, offset, highest, 0.5 * self.width, REACH + 4.0).value
        return float(np.max(np.linalg.norm(found - finer, axis=1))) + self._unseen(scale, offset)

    def _unseen(self, scale: Array, offset: Array) -> float:
        """Largest E |g| of what may be missed of sigma: the share of places of a panel that none of its probes is in.

        It is below 3 over their number with probability .95; U changes by no more than 2 |sigma| E |g|.
        """
        if 2.0 * REACH * float(np.max(scale, initial=0.0)) <= MANY * self.width:
            return 0.0
        edge = PROBES * self.width
        beyond = special.ndtr((offset - edge) / scale) + special.ndtr((-offset - edge) / scale)
        far = np.abs(offset) + REACH * scale
        sizes = np.maximum(*(np.abs(np.nan_to_num(evaluated(self._value, side * far))) for side in (1.0, -1.0)))
        return float(np.max(3.0 / PROBES * beyond * sizes))

    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        if order < 2:
            return self._expectations(order, scale, offset, terms, self.width)
        lifted = self._expectations(1, scale, offset, terms + 1, self.width)[:, 1:]
        return np.asarray(lifted * np.sqrt(np.arange(1.0, terms + 1.0)) / np.maximum(scale, TINY_SCALE)[:, None])

    def second_moments(self, scale: Array, offset: Array) -> Array:
        found = np.empty(scale.size)
        for part, nodes, weights in self._rules(scale, offset, self.width):
            found[part] = np.sum(weights * self._at(0, scale[part], offset[part], nodes) ** 2, axis=1)
        return found

    def pair_moments(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None
    ) -> Array:
        del gap
        if p == 2:
            tilted = self._pairs(1, q, scales, offsets, correlation, tilt=1)
            level = self._pairs(1, q + 1, scales, offsets, correlation)
            return np.asarray((tilted - correlation * scales[1] * level) / scales[0])
        return self._pairs(p, q, scales, offsets, correlation)

    def _pairs(self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, tilt: int = 0) -> Array:
        """E X^tilt sigma^(p)(u) sigma^(q)(v), v integrated under its normal law given u = t X + b."""
        found = np.empty_like(correlation)
        (ti, tj), (bi, bj) = scales, offsets
        spread = tj * np.sqrt(np.maximum((1.0 - correlation) * (1.0 + correlation), 0.0))
        # where u and v agree there is no law to integrate under; else pairs of like needs go together
        order, equal = np.argsort(spread), int(np.count_nonzero(spread == 0.0))
        for part in np.split(order, [equal, *range(equal + PAIRS, len(order), PAIRS)]):
            if not len(part):
                continue
            slant, some = (tj * correlation)[part], np.maximum(np.abs(tj * correlation)[part], TINY_SCALE)
            first, widest = self._ends(ti[part], bi[part], self.width, PAIR_REACH)
            other, narrow = self._ends(some, bj[part], self.width, PAIR_REACH)
            other = other if np.isinf(narrow) else other[:0]
            centres = self._knots - bj[part, None]
            layers = (centres[:, :, None] + LAYERS * spread[part, None, None]).reshape(len(part), -1)
            breaks = [(first - bi[part, None]) / ti[part, None]]
            breaks += [each / np.copysign(some, slant)[:, None] for each in (layers, other - bj[part, None])]
            nodes, weights = gauss_panels(np.concatenate(breaks, axis=1), min(widest, narrow), PAIR_REACH)
            left = weights * nodes**tilt * self._at(p, ti[part], bi[part], nodes)
            mean = bj[part, None] + slant[:, None] * nodes
            found[part] = np.sum(left * self._under_normal(q, mean, spread[part]), axis=1)
        return found

    def _under_normal(self, order: int, mean: Array, spread: Array) -> Array:
        """E sigma^(order)(N(mean, spread^2)), rows of means for each spread; none or all of them are 0."""
        if not np.any(spread):
            return self.value(mean) if order == 0 else self.slope(mean)
        found, scale = np.empty(mean.size), np.repeat(spread, mean.shape[1])
        for part, nodes, weights in self._rules(scale, mean.ravel(), self.width, reach=PAIR_REACH):
            found[part] = np.sum(weights * self._at(order, scale[part], mean.ravel()[part], nodes), axis=1)
        return found.reshape(mean.shape)

    def _at(self, order: int, scale: Array, offset: Array, nodes: Array) -> Array:
        """sigma or sigma' at b + t x, rows of nodes for each scale and offset; at t = 0 on a knot that of the cone."""
        if order == 1 and self._knots.size:
            scale = np.maximum(scale, CONE * (1.0 + np.abs(offset)))
        u = scale[:, None] * nodes + offset[:, None]
        return self.value(u) if order == 0 else self.slope(u)

    def _rules(
        self, scale: Array, offset: Array, width: float, highest: int = 0, reach: float = REACH
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Parts of the scales with their nodes and weights: a row for each of them, or one for all."""
        ends, widest = self._ends(scale, offset, width, reach)
        widest = min(WIDEST, widest, WAVES / np.sqrt(2.0 * highest + 1.0))
        panels = int(np.ceil(2.0 * reach / widest)) + ends.size
        chunk = max(1, CHUNK // (panels * NODES))
        for start in range(0, scale.size, chunk):
            part = slice(start, start + chunk)
            distance = ends - offset[part, None]
            yield part, *gauss_panels(distance / np.maximum(scale[part], TINY_SCALE)[:, None], widest, reach)

    def _ends(self, scale: Array, offset: Array, width: float, reach: float) -> tuple[Array, float]:
        """Places in u where panels end, and the widest in X between them."""
        steepest = max(float(np.max(scale, initial=0.0)), 1e-3)
        # the width is found by panels of one width
        if "width" not in vars(self) or 2.0 * reach * steepest <= MANY * width:
            return self._knots, width / steepest
        farthest = reach * steepest + float(np.max(np.abs(offset), initial=0.0))
        key = int(np.ceil(np.log2(farthest / width))), width
        if key not in self._grades:
            self._grades[key] = self._graded(*key)
        return self._grades[key], np.inf

    def _graded(self, doublings: int, width: float) -> Array:
        """Ends of panels in u up to width 2^doublings, on which sigma and sigma' are polynomials to rounding.

        Those that are not are halved, down to below `width`, as a kink that is not declared wants.
        """
        reach = width * 2.0 ** np.arange(doublings + 1)
        ends = np.unique(np.concatenate([-reach, [0.0], reach, self._knots]))
        low, high = ends[:-1], ends[1:]
        # differences have noise of their own
        functions = (self._value,) if self._declared_slope is None else (self._value, self._slope)
        least = [float(np.max(np.abs(evaluated(function, width * _POINTS)))) for function in functions]
        while low.size:
            half, middle = 0.5 * (high - low), 0.5 * (high + low)
            nodes = middle[:, None] + half[:, None] * _POINTS
            bent = np.zeros(low.size, dtype=bool)
            for function, size in zip(functions, least, strict=True):
                values = np.nan_to_num(evaluated(function, nodes), nan=0.0, posinf=0.0, neginf=0.0)
                sizes = np.maximum(np.abs(values).max(axis=1), size)
                coefficients = values @ _COEFFICIENTS
                bent |= np.abs(coefficients[:, -2:]).max(axis=1) > SETTLED * sizes
                for k in np.flatnonzero(~bent):
                    held = np.flatnonzero(np.abs(coefficients[k]) > 0.01 * MISSED * sizes[k])
                    series = coefficients[k, : held[-1] + 1] if held.size else np.zeros(1)
                    for seen in _probes(low[k], high[k], width):
                        between = np.polynomial.legendre.legval((seen - middle[k]) / half[k], series)
                        bent[k] |= np.any(np.abs(evaluated(function, seen) - between) > MISSED * sizes[k])
                        if bent[k]:
                            break
            bent &= half > FINEST * width
            ends = np.append(ends, middle[bent])
            low, high = np.append(low[bent], middle[bent]), np.append(middle[bent], high[bent])
        ends = np.sort(ends)
        # a rule that another one is measured against has no panel of it
        return ends if width >= self.width else np.sort(np.append(ends, 0.5 * (ends[1:] + ends[:-1])))

    def _even(self, scale: Array, offset: Array, highest: int, width: float, reach: float = REACH) -> Moments:
        """c_0, c_2, ..., c_highest with their derivatives."""
        from .kernels import even_sums

        moments = np.zeros((3, scale.size, highest // 2 + 1))
        for part, nodes, weights in self._rules(scale, offset, width, highest, reach):
            value, slope = (self._at(order, scale[part], offset[part], nodes) for order in (0, 1))
            even_sums(nodes, np.sqrt(weights), value, slope, moments[:, part])
        return Moments(*moments)

    def _expectations(self, order: int, scale: Array, offset: Array, terms: int, width: float) -> Array:
        """E[sigma^(order)(t X + b) h_k(X)] for k < terms, order 0 or 1."""
        from .kernels import hermite_sums

        found = np.zeros((scale.size, terms))
        for part, nodes, weights in self._rules(scale, offset, width, terms):
            hermite_sums(nodes, np.sqrt(weights), self._at(order, scale[part], offset[part], nodes), found[part])
        return found


_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)
_COEFFICIENTS = np.linalg.inv(np.polynomial.legendre.legvander(_POINTS, NODES - 1)).T
"""Values at the nodes of a panel -> their Legendre coefficients."""


def _probes(low: float, high: float, width: float) -> Iterator[Array]:
    """Places of a panel, so many at once as fit into a cache."""
    count = int(np.ceil((high - low) / width))
    random = np.random.Generator(np.random.Philox(key=PROBES))
    for first in range(0, min(count, PROBES), SLAB):
        places = np.arange(first, min(first + SLAB, count, PROBES))
        yield np.asarray(low + (width * places if count <= PROBES else (high - low) * random.random(len(places))))


def gauss_panels(breaks: Array, widest: float, reach: float) -> tuple[Array, Array]:
    """Gauss nodes and weights for a standard Gaussian, a row for each row of breaks: panels end at these.

    One row stands for all where there are no breaks.
    """
    if not breaks.shape[1]:
        breaks = breaks[:1]
    ends = np.linspace(-reach, reach, int(np.ceil(2.0 * reach / min(WIDEST, widest))) + 1)
    inside = np.clip(breaks, -reach, reach)
    edges = np.sort(np.concatenate([np.broadcast_to(ends, (len(breaks), len(ends))), inside], axis=1), axis=1)
    half = 0.5 * np.diff(edges, axis=1)[:, :, None]
    nodes = (edges[:, :-1, None] + half * (_POINTS + 1.0)).reshape(len(breaks), -1)
    weights = (half * _WEIGHTS).reshape(len(breaks), -1) * np.exp(-0.5 * nodes**2) / np.sqrt(2.0 * np.pi)
    return nodes, weights
