"""Power laws of gaps with bootstrap intervals over replicas, and one-sided verdicts.

A quantity q(x) is taken to be c x^s; s is the slope. All quantities of one sweep are resampled together by replica,
since runs at different points share theta^0 and samples where they can. Resamples of few replicas know next to nothing
of their scatter: below `FEW` of them draws of means are those of Student's law, from normal weights of the replicas,
of slopes of logarithms to first order, and of standard deviations those of normal gaps, by chi^2 of R - 1. From `FEW`
on the interval is widened by sqrt(R / (R - 1)) and Student's quantile over the normal one. Intervals of 95 % so hold
values in 92 to 97 % of simulated sweeps of 2 to 5 replicas (in 98 % those of deviations, whose gaps are averaged over
time), slopes of means of one sign in 93 to 98 %, and signed ones in 91 to 97 % (in 88 to 93 % where the first point is
three standard deviations of one replica from 0, and hardly any slope is told).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from mfpde.results.answers.bounds import Exponent, Series
from mfpde.solvers.arrays import Array

RESAMPLES = 2000
LEVEL = 0.95
FEW = 30
"""Replicas from which their resamples know a standard deviation."""
TOLERANCE = 0.1
"""A slope that is worse than the bound's by less cannot be told from it: logarithms alone bend slopes by so much."""
REACH = 0.25
"""Half way to the next law: the slopes of the bounds are multiples of 1/2."""
LARGEST_LOG = 300.0
"""Largest logarithm of a factor."""
STEEPEST = 4.0
"""Largest slope, in modulus, that a signed quantity is fitted with."""
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided within the data"
UNKNOWN = Exponent(np.nan, np.nan, np.nan)

Measure = Callable[[Array, Array, Array], Array]
"""(share of each replica (B, R), time (T,), gap (R, T)) -> the quantity in every resample, shape (B,)."""


@dataclass(frozen=True)
class Bootstrap:
    """Resamples of R replicas: of many with replacement, of few means as Student's law has them.

    Attributes:
        shares: weight of each replica, shape (1 + RESAMPLES, R); the first row is the data themselves.
    """

    shares: Array

    @classmethod
    def of(cls, replicas: int, seed: int = 0) -> Bootstrap:
        """The same for every call."""
        random, even = np.random.default_rng(seed), np.full((1, replicas), 1.0 / replicas)
        if not 2 <= replicas < FEW:
            return cls(np.concatenate([even, random.multinomial(replicas, even[0], size=RESAMPLES) / replicas]))
        normal, degrees = random.standard_normal((RESAMPLES, replicas)), replicas - 1
        normal -= normal.mean(axis=1, keepdims=True)
        return cls(
            np.concatenate([even, even + normal / np.sqrt(replicas * random.chisquare(degrees, (RESAMPLES, 1)))])
        )

    @property
    def replicas(self) -> int:
        """R."""
        return int(self.shares.shape[1])

    @property
    def few(self) -> bool:
        """Whether draws are not those of a bootstrap."""
        return 2 <= self.replicas < FEW

    def spreads(self, values: Array) -> Array:
        """Standard deviations that those of the data, shape (P,), may stem from, first these, (1 + RESAMPLES, P)."""
        return np.vstack([values, values * _spread_factors(self.replicas - 1, len(values))])

    def interval(self, draws: Array, signed: bool = True) -> Exponent:
        """The value of the data and its interval, from draws of shape (1 + RESAMPLES,).

        That of a number which is not `signed`, such as a standard deviation, is widened by factors: it ends above 0.
        """
        value = float(draws[0])
        if self.replicas < 2 or not np.all(np.isfinite(draws)):
            return Exponent(value, np.nan, np.nan)
        tail = 0.5 * (1.0 - LEVEL)
        student = float(special.stdtrit(self.replicas - 1, tail) / special.ndtri(tail))
        wider = 1.0 if self.few else float(student * np.sqrt(self.replicas / (self.replicas - 1.0)))
        low, high = (float(end) for end in np.quantile(draws[1:], [tail, 1.0 - tail]))
        if not signed and value > 0.0:
            return Exponent(value, value * (low / value) ** wider, value * (high / value) ** wider)
        return Exponent(value, value + wider * (low - value), value + wider * (high - value))


@cache
def _spread_factors(degrees: int, count: int) -> Array:
    """Deviations over those that are measured with so many degrees of freedom, shape (RESAMPLES, count)."""
    uniform = np.random.default_rng(0).random((RESAMPLES, count))
    return np.asarray(np.sqrt(degrees / special.chdtri(degrees, uniform)))


def time_average(time: Array, values: Array) -> Array:
    """The mean over [0, T] of curves of shape (..., T) by the trapezoidal rule; of one time the value there."""
    if len(time) < 2:
        return np.asarray(values[..., 0])
    return np.asarray(np.trapezoid(values, time, axis=-1) / (time[-1] - time[0]))


def mean_sup(shares: Array, time: Array, gap: Array) -> Array:
    """Mean over replicas of sup_t |gap|."""
    return np.asarray(shares @ np.max(np.abs(gap), axis=1))


def bias(shares: Array, time: Array, gap: Array) -> Array:
    """Time average of the mean gap over replicas."""
    return time_average(time, shares @ gap)


def fluctuation(shares: Array, time: Array, gap: Array) -> Array:
    """Root of the time average of the variance over replicas."""
    replicas = gap.shape[0]
    if replicas < 2:
        return np.full(len(shares), np.nan)
    centred = gap - gap.mean(axis=0)
    variance = shares @ (centred * centred) - (shares @ centred) ** 2
    scale = replicas / (replicas - 1.0)
    return np.asarray(np.sqrt(np.maximum(time_average(time, variance), 0.0) * scale))


def positive_slopes(x: Array, draws: Array) -> Array:
    """Slopes of log(draws) against log(x) by least squares; draws (B, P). NaN where there is none."""
    if len(x) < 2:
        return np.full(len(draws), np.nan)
    good = np.all(draws > 0.0, axis=1)
    logs = np.log(np.where(good[:, None], draws, 1.0))
    across = np.log(x) - np.log(x).mean()
    slopes = logs @ across / float(across @ across)
    return np.asarray(np.where(good, slopes, np.nan))


def signed_slopes(x: Array, draws: Array) -> Array:
    """Slopes s of c x^s fitted to signed draws (B, P), weighted by the scatter of the points over the resamples.

    That is taken to be a power law: few replicas know the scatter of a single point so badly that it draws the fit to
    a chance. The best s on a fine grid, c of any sign eliminated: a point that noise makes negative does no harm.
    """
    low, high = np.quantile(draws[1:], [0.16, 0.84], axis=0)
    deviation = high - low
    if len(x) < 2 or not np.all(np.isfinite(draws)) or not np.all(deviation > 0.0):
        return np.full(len(draws), np.nan)
    deviation = np.exp(np.polyval(np.polyfit(np.log(x), np.log(deviation), 1), np.log(x)))
    grid = np.linspace(-STEEPEST, STEEPEST, 1601)
    shapes = np.exp(grid[:, None] * np.log(x / x[len(x) // 2])) / deviation
    shapes /= np.linalg.norm(shapes, axis=1)[:, None]
    return np.asarray(grid[np.argmax(np.abs(draws / deviation @ shapes.T), axis=1)])


@dataclass(frozen=True)
class Quantity:
    """What to measure along a factor.

    Attributes:
        name, factor, reference: as in Series.
        part: of the gap that is measured, see `Curves.gap`.
        measure: from gaps to numbers.
        signed: whether noise may change its sign.
        spread: whether it is a standard deviation over the replicas.
    """

    name: str
    factor: str
    part: str
    measure: Measure
    reference: float
    signed: bool = False
    spread: bool = False

    def along(self, x: Array, curves: list[tuple[Array, Array]], bootstrap: Bootstrap) -> tuple[Series, Array]:
        """The series over points with (time, gap), and its slope in every resample.

        A signed quantity whose interval at the first point holds 0 has no slope: noise has any.
        """
        draws = np.stack([self.measure(bootstrap.shares, time, gap) for time, gap in curves], axis=1)
        if bootstrap.few and self.spread:
            draws = bootstrap.spreads(draws[0])
        elif bootstrap.few and not self.signed and np.all(draws[0] > 0.0):
            # to first order, of the logarithms that slopes are fitted to
            draws = draws[0] * np.exp(np.clip(draws / draws[0] - 1.0, -LARGEST_LOG, LARGEST_LOG))
        slopes = signed_slopes(x, draws) if self.signed else positive_slopes(x, draws)
        each = [bootstrap.interval(column, self.signed) for column in draws.T]
        value, low, high = (np.array([getattr(item, key) for item in each]) for key in ("value", "low", "high"))
        if self.signed and not (low[0] > 0.0 or high[0] < 0.0):
            slopes = np.full_like(slopes, np.nan)
        exponent = bootstrap.interval(slopes)
        return Series(self.name, self.factor, x, value, low, high, exponent, self.reference), slopes


def verdict(exponent: Exponent, reference: float, at_most: bool = True, missing: str = "") -> str:
    """One of three words, then the numbers, for the claim that the slope is at most (or at least) `reference`.

    By how much the slope is worse than the reference has an interval [low, high]. The claim does not hold where low >
    TOLERANCE. It holds where high <= TOLERANCE, or where low <= 0 (the reference itself agrees with the data) and high
    <= REACH (no slower law does): a slope worse by REACH is so called in 2.5 % of all data.
    """
    bound = f"claim: slope {'at most' if at_most else 'at least'} {reference:g}"
    if missing or not (np.isfinite(exponent.low) and np.isfinite(exponent.high)):
        return f"{UNDECIDED}: {missing or 'no interval of the slope'} ({bound})"
    side = 1.0 if at_most else -1.0
    low, high = sorted((side * (exponent.low - reference), side * (exponent.high - reference)))
    holds = high <= TOLERANCE or (low <= 0.0 and high <= REACH)
    word = HOLDS if holds else FAILS if low > TOLERANCE else UNDECIDED
    numbers = f"slope {exponent.value:.2f}, 95 % interval [{exponent.low:.2f}, {exponent.high:.2f}]"
    return f"{word}: {numbers} ({bound})"
