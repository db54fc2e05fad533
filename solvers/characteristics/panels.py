"""A flow map on label space, piecewise polynomial on panels that are halved where it grows steep.

Each panel is a box of labels with a tensor Gauss rule; a function of the label (the position X_t) is known at the
nodes, hence as a polynomial of degree n - 1 per axis. While its last coefficients in orthogonal polynomials are small
the panel is resolved, and it may be halved by interpolation without loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..flow.time_loop import StepFailure
from .rules import GOLDEN, Density, FittedRules, Rule, Rules

PART = 2**14
"""Nodes that are looked at at once, where what is found takes less room than what it is found from."""
NARROWEST = 1e-10
"""Width of a panel over that of all below which it is not halved: it holds as little of the mass."""


@dataclass(frozen=True)
class LabelLaw:
    """rho_0 as the image of labels with a density: see `mfpde.problem.initial.InitialLaw`.

    Labels are A that have a density, and after them those that take single values, which are summed over.

    Attributes:
        breaks: per label with a density, the ends of its support and the points where the density is not smooth.
        density: labels (n, A + K) -> (n,), the density of the first A times the probability of the values of the rest.
        embed: labels (n, A + K) -> positions (n, D).
        wider: where tails without end are cut off at `breaks`: the same, cut off farther and farther out.
        places: the values of each of the K others.
        mass: of the law, where it is free.
        own: the densities of the A labels where rules are made for them, `density` being the probability of the rest.
        elsewhere: whether these rules are others than usual, and cut elsewhere.
    """

    breaks: tuple[Array, ...]
    density: Density
    embed: Callable[[Array], Array]
    wider: tuple[tuple[Array, ...], ...] = ()
    places: tuple[Array, ...] = ()
    mass: float = 1.0
    own: tuple[Density, ...] = ()
    elsewhere: bool = False

    def rules(self, order: int) -> Rules:
        """Rules with so many nodes on every stretch of every label."""
        if not self.own:
            return Rule.of_order(order)
        return FittedRules(self.own, order, GOLDEN if self.elsewhere else 0.5, self.elsewhere)

    @property
    def corners(self) -> Array:
        """Where the corners of the labels' support start, shape (n, D)."""
        return self.embed(_mesh([*[axis[[0, -1]] for axis in self.breaks], *self.places]))

    def atoms(self, nodes: int, asked: Sequence[int] | None = None) -> int:
        """How many atoms there are on panels that are not halved, of that many nodes along each label."""
        panels = [1] * len(self.breaks) if asked is None else [-(-count // nodes) for count in asked]
        stretches = [max(count, len(axis) - 1) for count, axis in zip(panels, self.breaks, strict=True)]
        return math.prod(nodes * count for count in stretches) * math.prod(len(each) for each in self.places)

    def boxes(self, ends: Sequence[Array]) -> tuple[Array, Array]:
        """Corners (P, A + K) of the boxes between the ends along the first labels, at every value of the others."""
        lower = _mesh([*[axis[:-1] for axis in ends], *self.places])
        return lower, _mesh([*[axis[1:] for axis in ends], *self.places])

    def farther(self) -> LabelLaw:
        """The same law, its tails cut off farther out where they can be: `wider` ends with a bound."""
        return replace(self, breaks=self.wider[0], wider=self.wider[1:]) if len(self.wider) > 1 else self

    def cut_elsewhere(self) -> LabelLaw:
        """The same law, each stretch between its breaks cut in two: no panel within is one of this law's.

        Where rules are made for its labels they are others, and so are their halves.
        """
        if self.own:
            return replace(self, elsewhere=True)
        cut, *wider = (
            tuple(np.union1d(axis, axis[:-1] + GOLDEN * np.diff(axis)) for axis in breaks)
            for breaks in (self.breaks, *self.wider)
        )
        return replace(self, breaks=cut, wider=tuple(wider))


@dataclass(frozen=True)
class Panels:
    """P panels in an A-dimensional label space with n nodes per axis, each at one value of the K other labels.

    Attributes:
        lower, upper: corners, shape (P, A + K), the same along the last K labels.
        masses: quadrature weights times density, shape (P, n, ..., n).
        positions: X_t at the nodes, shape (P, n, ..., n, D).
    """

    lower: Array
    upper: Array
    masses: Array
    positions: Array

    @property
    def axes(self) -> int:
        """Dimension A of the label space."""
        return self.positions.ndim - 2

    @property
    def atoms(self) -> tuple[Array, Array]:
        """Positions (N, D) and weights (N,) of all nodes."""
        return self.positions.reshape(-1, self.positions.shape[-1]), self.masses.ravel()

    @property
    def wide(self) -> NDArray[np.bool_]:
        """Which panels may be halved along which label axis, shape (P, A): a separatrix would halve one for ever."""
        lower, upper = self.lower[:, : self.axes], self.upper[:, : self.axes]
        return np.asarray(upper - lower > NARROWEST * (upper.max(axis=0) - lower.min(axis=0)))

    def with_positions(self, positions: Array) -> Panels:
        """The same panels carried to positions of shape (N, D)."""
        return replace(self, positions=positions.reshape(self.positions.shape))

    @property
    def parts(self) -> Iterator[tuple[slice, Panels]]:
        """A few panels at a time, with their rows."""
        few = max(1, PART // self.masses[0].size)
        for first in range(0, len(self.lower), few):
            rows = slice(first, first + few)
            yield rows, Panels(self.lower[rows], self.upper[rows], self.masses[rows], self.positions[rows])

    def tails(self, rules: Rules, scales: Array | float = 1.0) -> Array:
        """Size of the last two coefficients of scales * positions along each label axis, shape (P, A).

        The largest anywhere on the panel, or their mean square where the polynomials are those of the label's law.
        """
        return np.concatenate([part._tails(rules, scales) for _, part in self.parts])

    def _tails(self, rules: Rules, scales: Array | float) -> Array:
        tails = np.empty((len(self.lower), self.axes))
        for axis in range(self.axes):
            moved = np.moveaxis(self.positions * scales, axis + 1, -1)
            for rule, rows in rules.stretches(axis, self.lower[:, axis], self.upper[:, axis]):
                last = rule.coefficients[-2:]
                high = np.abs(np.einsum("kn,...n->...k", last, moved[rows]))
                if rule.weighted:
                    share = self.masses[rows].sum(axis=axis + 1)
                    whole = share.sum(axis=tuple(range(1, share.ndim)), keepdims=True)
                    share = np.divide(share, whole, out=np.zeros_like(share), where=whole > 0.0)
                    high = np.sqrt((high**2 * share[..., None, None]).sum(axis=tuple(range(1, share.ndim))))
                tails[rows, axis] = high.reshape(len(high), -1).max(axis=1, initial=0.0)
        return tails

    def split(self, axis: Array, rules: Rules) -> Panels:
        """Panels halved along the label axes given, shape (P,), those of axis -1 as they are."""
        panels = self
        for a in range(self.axes):
            chosen = axis == a
            if chosen.any():
                panels = panels.halved(chosen, a, rules)
                axis = np.repeat(np.where(chosen, -1, axis), np.where(chosen, 2, 1))
        return panels

    def halved(self, which: Array, axis: int, rules: Rules) -> Panels:
        """Panels with those of `which` (bool, shape (P,)) replaced by their halves along a label axis, in order."""
        counts = np.where(which, 2, 1)
        side = np.concatenate([np.arange(c) for c in counts]) if len(counts) else counts
        source = np.repeat(np.arange(len(counts)), counts)
        split = which[source]
        lower, upper = self.lower[source], self.upper[source]
        middle = middles(self.lower[:, axis], self.upper[:, axis], axis, rules)[source]
        upper[:, axis] = np.where(split & (side == 0), middle, upper[:, axis])
        lower[:, axis] = np.where(split & (side == 1), middle, lower[:, axis])
        positions, masses = self.positions[source], self.masses[source]
        # nodal density: the weights carry the Gauss weight and the length along the axis
        shape = [1] * masses.ndim
        shape[axis + 1] = -1
        for rule, rows in rules.stretches(axis, self.lower[:, axis], self.upper[:, axis]):
            own = np.zeros(len(counts), dtype=bool)
            own[rows] = which[rows]
            for half in (0, 1):
                chosen = np.flatnonzero(own[source] & (side == half))
                if chosen.size == 0:
                    continue
                moved = np.moveaxis(positions[chosen], axis + 1, -1)
                positions[chosen] = np.moveaxis(moved @ rule.halves[half].T, -1, axis + 1)
                density = np.moveaxis(masses[chosen] / rule.shares.reshape(shape), axis + 1, -1)
                child = np.maximum(np.moveaxis(density @ rule.halves[half].T, -1, axis + 1), 0.0)
                masses[chosen] = rule.parts[half].reshape(shape) * child
        return Panels(lower, upper, masses * (self.masses.sum() / masses.sum()), positions)


def middles(lower: Array, upper: Array, axis: int, rules: Rules) -> Array:
    """Where the halves of stretches of a label meet."""
    found = np.empty(len(lower))
    for rule, rows in rules.stretches(axis, lower, upper):
        found[rows] = 0.5 * (lower[rows] + upper[rows]) + 0.5 * rule.cut * (upper[rows] - lower[rows])
    return found


def initial_panels(law: LabelLaw, rules: Rules, tolerance: float, limit: int) -> Panels:
    """Panels of a law's labels, halved until the density is integrated to `tolerance`.

    Legendre coefficients that decay like r^-k leave a Gauss rule an error of r^-2n where the last one is r^-n: the tail
    may be as large as the square root of the tolerance.

    Raises:
        StepFailure: as many panels as there may be find no mass.

    Args:
        limit: largest number of nodes; halving stops there, with the worst panels halved first.
    """
    lower, upper = law.boxes(law.breaks)
    while True:
        panels = fill_panels(lower, upper, law.density, law.embed, rules)
        tails = density_tails(panels, rules)
        worst = np.where(np.isfinite(tails), tails, np.inf).max(axis=1, initial=0.0)
        splitting = worst_first(worst, 0.1 * np.sqrt(tolerance), limit // panels.masses[0].size - len(worst))
        if not splitting.any():
            if not np.isfinite(panels.masses).all():
                raise StepFailure(
                    f"rho_0 is 0 at all of {panels.masses.size} atoms", 0.0, "write its density on a narrower interval"
                )
            return panels
        axis = np.where(splitting, tails.argmax(axis=1), -1)
        left_upper, right_lower = upper.copy(), lower.copy()
        rows = np.flatnonzero(splitting)
        for a in np.unique(axis[rows]):
            own = rows[axis[rows] == a]
            left_upper[own, a] = right_lower[own, a] = middles(lower[own, a], upper[own, a], a, rules)
        lower = np.concatenate([lower, right_lower[rows]])
        upper = np.concatenate([left_upper, upper[rows]])


def worst_first(errors: Array, allowed: float, room: int) -> NDArray[np.bool_]:
    """Which panels to halve, shape (P,): those that err by more than is allowed, the worst as far as there is room."""
    chosen = errors > allowed
    chosen[np.argsort(errors)[: max(len(errors) - max(room, 0), 0)]] = False
    return chosen


def uniform_corners(law: LabelLaw, counts: Sequence[int]) -> tuple[Array, Array]:
    """Corners of panels between the outermost breaks, `counts` equal ones per axis, cut at the inner breaks."""
    pairs = zip(law.breaks, counts, strict=True)
    return law.boxes([np.union1d(np.linspace(axis[0], axis[-1], count + 1), axis) for axis, count in pairs])


def extended(lower: Array, upper: Array) -> int:
    """A: along the labels that take single values panels have no extent."""
    return int((lower < upper).all(axis=0).sum())


def _mesh(axes: Sequence[Array]) -> Array:
    """Every combination, shape (n, number of axes); one of nothing where there are no axes."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1) if axes else np.empty((1, 0))


def fill_panels(
    lower: Array,
    upper: Array,
    density: Callable[[Array], Array],
    embed: Callable[[Array], Array],
    rules: Rules,
    normalised: bool = True,
) -> Panels:
    """Panels with these corners: Gauss weights times density, normalised to mass 1 or not, and positions at t = 0."""
    axes, n = extended(lower, upper), rules.order
    shape = (len(lower),) + (n,) * axes
    half = 0.5 * (upper - lower)
    labels = np.tile((lower + half).reshape(len(lower), *[1] * axes, -1), (1, *(n,) * axes, 1))
    weights = np.ones((len(lower),) + (1,) * axes)
    for axis in range(axes):
        nodes, own = np.empty((len(lower), n)), np.empty((len(lower), n))
        for rule, rows in rules.stretches(axis, lower[:, axis], upper[:, axis]):
            nodes[rows], own[rows] = rule.nodes, rule.weights
        along = [len(lower)] + [1] * axes
        along[axis + 1] = n
        labels[..., axis] += (half[:, axis, None] * nodes).reshape(along)
        weights = weights * (half[:, axis, None] * own).reshape(along)
    flat = labels.reshape(len(lower) * n**axes, lower.shape[1])
    masses = in_parts(density, flat).reshape(shape) * weights
    positions = in_parts(embed, flat)
    mass = masses.sum() if normalised else 1.0
    masses = masses / mass if mass != 0.0 else np.full(shape, np.nan)
    return Panels(lower, upper, masses, positions.reshape(*shape, positions.shape[-1]))


def in_parts(function: Callable[[Array], Array], points: Array) -> Array:
    """What a function makes of points (n, D), of a part of them at a time."""
    if len(points) <= PART:
        return function(points)
    return np.concatenate([function(points[first : first + PART]) for first in range(0, len(points), PART)])


def densities(panels: Panels, rules: Rules) -> Array:
    """The density at the nodes times the volume of their panels, of the shape of the masses."""
    scaled = panels.masses.copy()
    for axis in range(panels.axes):
        along = [1] * scaled.ndim
        along[axis + 1] = -1
        for rule, rows in rules.stretches(axis, panels.lower[:, axis], panels.upper[:, axis]):
            scaled[rows] = scaled[rows] / rule.shares.reshape(along)
    return scaled


def density_tails(panels: Panels, rules: Rules) -> Array:
    """Unresolved mass of each panel along each label axis: the last coefficients of the density."""
    return np.concatenate([_density_tails(part, rules) for _, part in panels.parts])


def _density_tails(panels: Panels, rules: Rules) -> Array:
    axes, scaled = panels.axes, densities(panels, rules)
    tails = np.empty((len(panels.lower), axes))
    for axis in range(axes):
        moved = np.moveaxis(scaled, axis + 1, -1)
        for rule, rows in rules.stretches(axis, panels.lower[:, axis], panels.upper[:, axis]):
            high = np.abs(np.einsum("kn,...n->...k", rule.coefficients[-2:], moved[rows]))
            tails[rows, axis] = high.reshape(len(high), -1).max(axis=1, initial=0.0)
    return tails
