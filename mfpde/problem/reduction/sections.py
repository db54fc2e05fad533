"""Features of a unit on Gaussian inputs of which the target sees K projections: y = sum_k c_k g_k(<u_k, x>) + noise.

A neuron w has the coordinates m_k = <u_k, w> and s = |w - sum_k m_k u_k|. Two of them, turned about the span of the
u_k, have E u u' = <m, m'> + s s' n with n the first coordinate of a uniform point of S^(d - K - 1), so that

    U(z, z') = E_n kappa(t^2, t'^2, <m, m'> + s s' n),   t^2 = |m|^2 + s^2,   kappa = E sigma(u) sigma(u'),
    V(z) = -sum_k c_k E g_k(v) sigma(m_k v + S_k G + b),   S_k^2 = t^2 - m_k^2,   v and G standard normal.

kappa is a closed form of the unit without offset where it has one (`Activation.arc`), and otherwise Mehler's series
sum_k c_k(t, b) c_k(t', b') rho^k. A rule in K dimensions for the projections themselves takes thousands of nodes; the
numerical rank of U on a box is in the hundreds. The features are therefore those of pivoted Cholesky's algorithm: with
the target as the first of all functions and neurons z_1, z_2, ... where most is left of U(z, z), L L^T their matrix of
inner products,

    Phi(z) = L^(-1) (-V(z), U(z, z_1), U(z, z_2), ...),

whose first one has all of the target. What is left of U(z, z) bounds, by Cauchy and Schwarz, the error of U, and the
mean of its square root under a law that of the law's risk. Schemes ask for boxes that end where their laws have hardly
any mass: more may be left there, it counts times exp(-6 |z|^2), z relative
to the middle of the box and its ends. At d = infinity laws are atoms, and all of it counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import linalg
from scipy.stats import qmc

from mfpde.solvers.activations.activation import Activation, Arc
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.arcs import Ladder, averaged, expanded, ladder, power_recurrence
from mfpde.solvers.networks.pulls import PullFeatures, tabulated
from mfpde.solvers.normal import Teacher, hermite_coefficients, projected
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.objective.table.patched import PatchedFeatures
from mfpde.solvers.space.box import Box

MOST_PIVOTS = {"rough": 60, "usual": 400, "finest": 900}
CANDIDATES, FRESH = 5, 256
"""Neurons of the box per pivot that may become one, and those on which the error is measured."""
RULES = {"rough": (2, 4), "usual": (2, 4, 8, 16, 32), "finest": (4, 8, 16, 32, 64)}
"""Numbers of nodes for n."""
SERIES = {"rough": (16, 32, 64), "usual": (16, 32, 64, 128, 256, 512), "finest": (32, 64, 128, 256, 512, 800)}
"""Terms of Mehler's series."""
TRIALS = 64
"""Neurons on which rules and series are tried."""
ROUNDING = 1e-15
"""What is left of U, relative to the largest, that is rounding."""
THIN = {"rough": 6.0, "usual": 6.0, "finest": 0.0}
"""Rate at which less counts towards the ends of a box."""
TABLED = 0.1
"""Share of the accuracy that tables and terms of pulls may miss."""
EMPTY = np.empty(0)
SMALLEST = 1e-8
"""Length of w below which it is taken to be this long, across."""
TOGETHER = 8
"""Neurons whose U(z, z) is formed at once."""
CHUNK = 2**20
"""Numbers of sections that are formed at once."""
KEPT = 2**23
"""Most of them that are kept from outputs to slopes."""


@dataclass(frozen=True)
class Target:
    """y = sum_k weights_k g_k(<u_k, x>) + noise.

    Attributes:
        teachers: g_k, each with the noise of its own 0.
        weights: c_k.
        noise: standard deviation.
    """

    teachers: tuple[Teacher, ...]
    weights: tuple[float, ...]
    noise: float

    @cached_property
    def second_moment(self) -> float:
        """E y^2 without the noise."""
        means = np.array([projected(g, g.breaks) for g in self.teachers])
        squares = np.array([projected(lambda v, g=g: g(v) ** 2, g.breaks) for g in self.teachers])  # type: ignore[misc]
        c = np.array(self.weights)
        return float((c @ means) ** 2 + c**2 @ (squares - means**2))


@dataclass(frozen=True)
class Neurons:
    """Neurons in reduced coordinates: m, s (0 where there is none) and b (0 likewise)."""

    places: Array
    offsets: Array

    @property
    def sizes(self) -> Array:
        """t."""
        return np.asarray(np.linalg.norm(self.places, axis=1))


@dataclass(frozen=True)
class Pairs:
    """U of two neurons.

    Attributes:
        unit: sigma.
        teachers: K.
        across: d - K, 0 where there is no s.
        has_offset: whether b is the last coordinate.
        count: nodes of the finest rule for n.
        terms: of Mehler's series.
    """

    unit: Activation
    teachers: int
    across: float
    has_offset: bool
    count: int
    terms: int

    @property
    def perpendicular(self) -> bool:
        return self.across > 0.0

    @property
    def dimension(self) -> int:
        return self.teachers + self.perpendicular + self.has_offset

    @property
    def arc(self) -> Arc | None:
        return None if self.has_offset else self.unit.arc

    @property
    def ruled(self) -> bool:
        """Whether means over n are by a rule."""
        return self.arc is not None

    def series(self, effort: Effort) -> tuple[int, ...]:
        """Terms to choose from."""
        return SERIES[effort]

    def neurons(self, points: Array) -> Neurons:
        places = np.zeros((len(points), self.teachers + 1))
        own = self.teachers + self.perpendicular
        places[:, :own] = points[:, :own]
        return Neurons(places, points[:, -1].copy() if self.has_offset else np.zeros(len(points)))

    def moments(self, points: Array) -> Array:
        """c_k, d_t c_k and d_b c_k, shape (n, 3, terms); nothing where kappa is a closed form."""
        if self.arc is not None:
            return np.empty((len(points), 3, 0))
        neurons = self.neurons(points)
        sizes, offsets = np.maximum(neurons.sizes, SMALLEST), neurons.offsets
        slopes = self.unit.coefficients(sizes, offsets, self.terms + 1, 1)
        orders = np.sqrt(np.arange(1.0, self.terms + 1.0))
        by_size = orders * slopes[:, 1:]
        by_size[:, 1:] += orders[:-1] * slopes[:, : self.terms - 1]
        return np.stack([self.unit.coefficients(sizes, offsets, self.terms), by_size, slopes[:, :-1]], axis=1)

    def sections(
        self, points: Array, others: Array, theirs: Array | None = None, slopes: bool = False, lead: int = 0
    ) -> tuple[Array, Array]:
        """U(z, z'), shape (n, n'), and its gradient in z, shape (n, n', D).

        Args:
            theirs: the moments of the others.
            lead: columns left empty before those of the others.
        """
        own, other, arc = self.neurons(points), self.neurons(others), self.arc
        shape, width = (len(points), lead + len(others)), self.teachers + 1 + (arc is None)
        values, found = np.empty(shape), np.empty((*shape, width) if slopes else (0, 0, 0))
        if arc is not None:
            averaged(tuple(arc), own.places, other.places, self._rules, values[:, lead:], found[:, lead:])
        else:
            theirs = self.moments(others) if theirs is None else theirs
            held = own.places, self.moments(points), other.places, np.ascontiguousarray(theirs[:, 0])
            expanded(*held, *self._powers, values[:, lead:], found[:, lead:])
        kept = [*range(self.teachers + self.perpendicular), *[self.teachers + 1] * self.has_offset]
        return values, found if len(kept) == width or not slopes else found[:, :, kept]

    @cached_property
    def _rules(self) -> Ladder:
        return ladder(self.count, self.across)

    @cached_property
    def _powers(self) -> tuple[Array, Array, float]:
        rows = [power_recurrence(self.terms, self.across + more) for more in (0.0, 2.0)]
        return rows[0], rows[1], self.across if self.perpendicular else math.inf

    def diagonal(self, points: Array) -> Array:
        """U(z, z), shape (n,), as the sections have it."""
        if self.arc is not None:
            parts = (points[first : first + TOGETHER] for first in range(0, len(points), TOGETHER))
            return np.concatenate([np.diagonal(self.sections(part, part)[0]) for part in parts])
        neurons = self.neurons(points)
        sizes = np.maximum(neurons.sizes, SMALLEST)
        squares = self.unit.coefficients(sizes, neurons.offsets, self.terms) ** 2
        across = (neurons.places[:, -1] / sizes) ** 2
        total, mean, below = np.zeros(len(points)), np.ones(len(points)), np.zeros(len(points))
        # rho = 1 - across + across n
        for square, ahead, behind in zip(squares.T, *self._powers[0], strict=True):
            total += square * mean
            mean, below = ahead * (1.0 - across) * mean - behind * (1.0 - 2.0 * across) * below, mean
        return total

    def norms(self, points: Array) -> Array:
        """U(z, z), shape (n,), or with a series what that has of it and all that the terms behind hold at most."""
        if self.arc is not None:
            return self.diagonal(points)
        return np.asarray(self.diagonal(points) + self.tails(points, [self.terms])[0])

    def tails(self, points: Array, counts: Sequence[int]) -> Array:
        """sum_k c_k(t, b)^2 over the k behind so many terms, shape (counts, n): |rho| <= 1."""
        neurons = self.neurons(points)
        sizes = np.maximum(neurons.sizes, SMALLEST)
        held = np.cumsum(self.unit.coefficients(sizes, neurons.offsets, max(counts)) ** 2, axis=1)
        squares = self.unit.second_moments(sizes, neurons.offsets)
        return np.stack([np.abs(squares - held[:, count - 1]) for count in counts])


@dataclass(frozen=True)
class Pull:
    """E y sigma = -V of a neuron.

    Attributes:
        pairs: the unit and its coordinates.
        target: y.
        alike: c_k / a for the g_k with sigma = a g_k, of which the pull is a pair's; nan for others.
        tables: by k, of pulls of one g_k (`tabulated`).
    """

    pairs: Pairs
    target: Target
    alike: Array
    tables: Mapping[int, PatchedFeatures] = field(default_factory=dict)

    def __call__(self, points: Array, slopes: bool = False) -> tuple[Array, Array]:
        """Shape (n,) and (n, D)."""
        values, found = np.zeros(len(points)), np.zeros((len(points), self.pairs.dimension if slopes else 0))
        same = ~np.isnan(self.alike)
        if same.any():
            units = np.eye(self.pairs.teachers, self.pairs.dimension)[same]
            pulls, turned = self.pairs.sections(points, units, slopes=slopes)
            values += pulls @ self.alike[same]
            found += np.einsum("nkd,k->nd", turned, self.alike[same]) if slopes else 0.0
        for k in np.flatnonzero(~same):
            self._add(int(k), points, values, found)
        return values, found

    def _add(self, k: int, points: Array, values: Array, found: Array) -> None:
        """The pull of one teacher."""
        add = self._add_terms if self.target.teachers[k].hermite else self._add_panels
        add(k, points, values, found)

    @property
    def dear(self) -> list[int]:
        """Teachers whose pulls need panels of each neuron."""
        shares = zip(range(len(self.alike)), np.isnan(self.alike), self.target.teachers, strict=True)
        return [k for k, other, teacher in shares if other and not teacher.hermite and k not in self.tables]

    def quicker(self, box: Box, trials: _Trials, accuracy: float) -> tuple[Pull, float]:
        """These by Hermite terms of g, or tables on the box, where that is accurate, and what is left out of V.

        Terms behind the first ones hold at most the norms of what both functions have there, by Cauchy and Schwarz.
        """
        if not self.dear:
            return self, 0.0
        teachers, tables, lost = list(self.target.teachers), {}, 0.0
        held = 0.0
        if self.pairs.terms:
            held = float(np.sqrt(self.pairs.tails(trials.points, [self.pairs.terms])[0] * trials.weights).max())
        for k in self.dear:
            terms, rest = hermite_coefficients(teachers[k], self.pairs.terms) if self.pairs.terms else (EMPTY, math.inf)
            if rest * held <= accuracy:
                teachers[k] = replace(teachers[k], hermite=tuple(terms.tolist()))
                lost += abs(self.target.weights[k]) * rest * held
                continue
            made = self._table(k, box, accuracy)
            if made is not None:
                tables[k], lost = made[0], lost + abs(self.target.weights[k]) * made[1]
        return replace(self, target=replace(self.target, teachers=tuple(teachers)), tables=tables), lost

    def _table(self, k: int, box: Box, accuracy: float) -> tuple[PatchedFeatures, float] | None:
        """A table of the pull of g_k on a box, and its error."""
        own = self.pairs.teachers + self.pairs.perpendicular
        farthest = np.maximum(np.abs(box.lower), np.abs(box.upper))[:own]
        lower = np.array([box.lower[k], 0.0, *box.lower[own:]])
        upper = np.array([box.upper[k], np.linalg.norm(np.delete(farthest, k)), *box.upper[own:]])
        return tabulated(
            PullFeatures(self.pairs.unit, self.target.teachers[k], self.pairs.has_offset), lower, upper, accuracy
        )

    def _add_terms(self, k: int, points: Array, values: Array, found: Array) -> None:
        """The pull of g = sum_l g_l h_l: sum_l g_l c_l(t, b) (m / t)^l, t d_t c_l = l c_l + a multiple of c_(l + 2)."""
        neurons = self.pairs.neurons(points)
        places = neurons.places
        places[neurons.sizes < SMALLEST, -1] = SMALLEST
        g, t = self.target.weights[k] * np.array(self.target.teachers[k].hermite), neurons.sizes
        order, ratio = np.arange(len(g)), places[:, k] / t
        own = self.pairs.unit.coefficients(t, neurons.offsets, len(g) + 2)
        powers = g * ratio[:, None] ** order
        values += (powers * own[:, :-2]).sum(axis=1)
        if not found.size:
            return
        radial = (powers * np.sqrt((order + 1.0) * (order + 2.0)) * own[:, 2:]).sum(axis=1) / t**2
        columns = radial[:, None] * places
        columns[:, k] += (g[1:] * order[1:] * ratio[:, None] ** order[:-1] * own[:, 1:-2]).sum(axis=1) / t
        whole = self.pairs.teachers + self.pairs.perpendicular
        found[:, :whole] += columns[:, :whole]
        if self.pairs.has_offset:
            found[:, -1] += (powers * np.sqrt(order + 1.0) * own[:, 1:-1]).sum(axis=1) / t

    def _add_panels(self, k: int, points: Array, values: Array, found: Array) -> None:
        """That of any g, by its table or panels of each neuron."""
        neurons = self.pairs.neurons(points)
        along, rest = neurons.places[:, k], np.delete(neurons.places, k, axis=1)
        spread = np.linalg.norm(rest, axis=1)
        exact = PullFeatures(self.pairs.unit, self.target.teachers[k], self.pairs.has_offset)
        places = np.column_stack([along, spread, neurons.offsets])[:, : exact.dimension]
        pull, slopes = self.tables.get(k, exact).contract(places, np.array([self.target.weights[k]]))
        parts = [pull, *slopes.T]
        values += parts[0]
        if not found.size:
            return
        shares = np.divide(
            neurons.places, spread[:, None], out=np.zeros_like(neurons.places), where=spread[:, None] > 0.0
        )
        # at w = u_k m the unit is spread along the last coordinate alone
        shares[spread == 0.0, -1] = 1.0
        columns = parts[2][:, None] * shares
        columns[:, k] = parts[1]
        own = self.pairs.teachers + self.pairs.perpendicular
        found[:, :own] += columns[:, :own]
        if self.pairs.has_offset:
            found[:, -1] += parts[3]


@dataclass(frozen=True)
class SectionFeatures:
    """The features of the module's docstring, without their coefficient.

    Attributes:
        pairs, pull: U and -V.
        pivots: z_1, z_2, ..., shape (M - 1, D).
        factor: L, shape (M, M).
    """

    pairs: Pairs
    pull: Pull
    pivots: Array
    factor: Array

    @property
    def dimension(self) -> int:
        return self.pairs.dimension

    @property
    def rank(self) -> int:
        return len(self.factor)

    @cached_property
    def _moments(self) -> Array:
        return self.pairs.moments(self.pivots)

    def values(self, points: Array) -> Array:
        return np.vstack([self._solved(self._raw(part)[0].T).T for part in self._parts(points)])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        parts = [self._raw(part, slopes=True) for part in self._parts(points)]
        values = np.vstack([self._solved(raw.T).T for raw, _ in parts])
        slopes = np.concatenate([slopes for _, slopes in parts])
        flat = self._solved(np.moveaxis(slopes, 1, 0).reshape(self.rank, -1))
        return values, np.moveaxis(flat.reshape(self.rank, len(points), self.dimension), 0, 1)

    @cached_property
    def _last(self) -> list[tuple[Array, Array, Array]]:
        """Points whose outputs were asked for last, where they are few, their sections and the slopes of these."""
        return []

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), without forming the features; `contract` often follows at the same points."""
        if len(points) * self.rank * (1 + self.dimension) <= KEPT:
            self._last[:] = [(points.copy(), *self._raw(points, slopes=True))]
            return self._solved(masses @ self._last[0][1])
        total, done = np.zeros(self.rank), 0
        for part in self._parts(points):
            total += masses[done : done + len(part)] @ self._raw(part)[0]
            done += len(part)
        return self._solved(total)

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """coefficients . Phi, shape (n,), and its gradient, shape (n, D)."""
        turned = linalg.solve_triangular(self.factor, coefficients, lower=True, trans=1, check_finite=False)
        last = [(raw, slopes) for known, raw, slopes in self._last if np.array_equal(known, points)]
        parts = last or [self._raw(part, slopes=True) for part in self._parts(points)]
        value = np.concatenate([raw @ turned for raw, _ in parts])
        return value, np.concatenate([np.einsum("nmd,m->nd", slopes, turned) for _, slopes in parts])

    def _raw(self, points: Array, slopes: bool = False) -> tuple[Array, Array]:
        """-V and the sections, shape (n, M), with their gradients."""
        pulls, pulled = self.pull(points, slopes)
        values, found = self.pairs.sections(points, self.pivots, self._moments, slopes, lead=1)
        values[:, 0] = pulls
        if slopes:
            found[:, 0] = pulled
        return values, found

    def _solved(self, raw: Array) -> Array:
        return np.asarray(linalg.solve_triangular(self.factor, raw, lower=True, check_finite=False))

    def _parts(self, points: Array) -> Iterator[Array]:
        size = max(1, CHUNK // (self.rank * (1 + self.dimension)))
        for first in range(0, max(len(points), 1), size):
            yield points[first : first + size]


def expand(
    unit: Activation, has_offset: bool, perpendicular: float, target: Target, box: Box, accuracy: float, effort: Effort
) -> Expansion:
    """Features of the unit on the box of m, s and b; s where `perpendicular` = d - K is above 0.

    The rule for n and the series are refined until U of neurons of the box no longer changes.
    """
    probe = Pairs(unit, len(target.weights), perpendicular, has_offset, 1, 0)
    shares = zip(target.weights, target.teachers, strict=True)
    alike = np.array([c * multiple(g, unit, has_offset) for c, g in shares])
    return at_pivots(probe, Pull(probe, target, alike), target, box, accuracy, effort)


def at_pivots(probe: Pairs, pull: Pull, target: Target, box: Box, accuracy: float, effort: Effort) -> Expansion:
    """Sections of U, whose rule for n and series are still to be found, at pivots of the box."""
    thin = THIN[effort] if probe.across < math.inf else 0.0
    trials = _Trials.of(box, TRIALS, 1, thin)
    pairs, error = _refined(probe, trials, 0.1 * accuracy, effort)
    pull, most = replace(pull, pairs=pairs), MOST_PIVOTS[effort]
    quick, lost = (pull, 0.0) if effort == "finest" else pull.quicker(box, trials, TABLED * accuracy)
    features = _factored(pairs, quick, target, _Trials.of(box, CANDIDATES * most, 0, thin), accuracy, most)
    fresh = _Trials.of(box, FRESH, 2, thin)
    objective = Objective(features, _loss(features, target))
    finer = replace(pairs, count=2 * pairs.count, terms=2 * pairs.terms)

    def left(points: Array) -> Array:
        return np.asarray(np.abs(finer.norms(points) - (features.values(points) ** 2).sum(axis=1)) + error)

    def gap(points: Array, masses: Array) -> float:
        mass = np.abs(masses)
        return float(mass @ np.sqrt(left(points))) ** 2 + 2.0 * float(mass.sum()) * lost

    def potential(points: Array, masses: Array) -> tuple[Array, Array]:
        """With sections at all of its points nothing is left of a law's Psi but the series."""
        pulls, pulled = pull(points, slopes=True)
        values, slopes = finer.sections(points, points, slopes=True)
        return values @ masses - pulls, np.einsum("nmd,m->nd", slopes, masses) - pulled

    total = float((fresh.weights * left(fresh.points)).max()) + 2.0 * lost

    # pulls by panels of each neuron cost more than a table, where it has no more than two coordinates
    explicit = pairs.dimension > 2 or not quick.dear
    return Expansion(objective, total, "sections of U at pivots", explicit=explicit, gap=gap, potential=potential)


def _loss(features: SectionFeatures, target: Target) -> SquareLoss:
    targets = np.zeros(features.rank)
    targets[0] = features.factor[0, 0]
    return SquareLoss(np.ones(features.rank), targets, target.noise**2)


@dataclass(frozen=True)
class _Trials:
    """Neurons of a box, and how much what is left there counts."""

    points: Array
    weights: Array

    @classmethod
    def of(cls, box: Box, count: int, seed: int, thin: float) -> _Trials:
        """Corners and quasi-random neurons, half of them nearer to the middle."""
        lower, upper = box.lower, np.maximum(box.upper, box.lower + 1e-12)
        unit = qmc.Sobol(len(lower), seed=seed).random_base2(max(1, math.ceil(math.log2(count))))[:count]
        corners = np.array(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij")).reshape(len(lower), -1).T
        points = lower + (upper - lower) * unit
        middle = 0.5 * (lower + upper)
        half = len(points) // 2
        points[:half] = middle + (points[:half] - middle) * unit[:half, ::-1] ** 2
        points = np.vstack([corners, points])
        away = np.abs(points - middle) / (upper - middle)
        return cls(points, np.exp(-thin * away.max(axis=1) ** 2))


def _refined(pairs: Pairs, trials: _Trials, accuracy: float, effort: Effort) -> tuple[Pairs, float]:
    """U with a series, or a rule for n, that is long enough, and what the rule leaves of it."""
    series = pairs.series(effort)
    if pairs.arc is None:
        tails = (pairs.tails(trials.points, series) * trials.weights).max(axis=1)
        enough = np.append(tails[:-1] <= accuracy, True)
        pairs = replace(pairs, terms=series[int(np.argmax(enough))])
    if not pairs.ruled:
        return pairs, 0.0
    rules = RULES[effort][: None if 1.0 < pairs.across < math.inf else 1]
    found, error = pairs, 0.0
    for count in rules:
        before, found = found, replace(pairs, count=count)
        error = _apart(before, found, trials) if count > rules[0] else 0.0
        if count > rules[0] and error <= accuracy:
            return before, error
    return found, error


def _apart(pairs: Pairs, finer: Pairs, trials: _Trials) -> float:
    """The largest difference in U of the neurons, as it counts."""
    points, roots = trials.points, np.sqrt(trials.weights)
    half = len(points) // 2
    mixed = np.abs(pairs.sections(points, points[:half])[0] - finer.sections(points, points[:half])[0])
    own = np.abs(pairs.diagonal(points) - finer.diagonal(points))
    return float(max((roots[:, None] * mixed * roots[:half]).max(), (trials.weights * own).max()))


def multiple(teacher: Teacher, activation: Activation, has_offset: bool) -> float:
    """1 / a where sigma = a g and U is a closed form, nan otherwise."""
    if has_offset or activation.arc is None:
        return math.nan
    u = np.linspace(-3.0, 3.0, 62)
    unit, target = activation.value(u), teacher(u)
    a = float(unit @ target) / max(float(target @ target), 1e-300)
    same = a != 0.0 and bool(np.abs(unit - a * target).max() <= 1e-14 * abs(a) * np.abs(target).max())
    return 1.0 / a if same else math.nan


def _factored(pairs: Pairs, pull: Pull, target: Target, trials: _Trials, accuracy: float, most: int) -> SectionFeatures:
    """Pivots where most is left of U(z, z), until that is below half of the accuracy everywhere, as it counts."""
    places = trials.points
    left, length = pairs.diagonal(places), math.sqrt(target.second_moment)
    moments = pairs.moments(places)
    floor = max(0.5 * accuracy, ROUNDING * float((left * trials.weights).max()))
    rows = np.empty((most + 1, len(places)))
    rows[0] = pull(places)[0] / length
    left = left - rows[0] ** 2
    chosen: list[int] = []
    while len(chosen) < most:
        pivot = int(np.argmax(left * trials.weights))
        if not (left[pivot] * trials.weights[pivot] > floor):
            break
        done = len(chosen) + 1
        section = pairs.sections(places[pivot : pivot + 1], places, moments)[0][0]
        rows[done] = (section - rows[:done].T @ rows[:done, pivot]) / math.sqrt(left[pivot])
        left = left - rows[done] ** 2
        left[pivot] = 0.0
        chosen.append(pivot)
    factor = np.zeros((len(chosen) + 1, len(chosen) + 1))
    factor[0, 0] = length
    # what a pivot has in common with the functions before it, and with itself
    factor[1:] = np.tril(rows[: len(chosen) + 1, chosen].T, k=1)
    return SectionFeatures(pairs, pull, places[chosen], factor)
