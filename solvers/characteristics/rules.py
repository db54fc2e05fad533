"""Gauss rules on a stretch of a label: of Legendre, for densities of any kind, or those of the label's own density.

A tensor rule of Legendre takes about twice as many nodes for a normal law as that of Hermite does, in each label. Where
labels are independent the rules of their densities serve: with those of a stretch every half of it has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from ..arrays import Array

GOLDEN = 0.5 * (3.0 - np.sqrt(5.0))
"""Where stretches of labels are cut for panels that share no corner, however often halved, with those of others."""
FINE_PANELS, FINE_NODES = 48, 16
"""Of the composite rule by which moments of a density are taken."""

Density = Callable[[Array], Array]
Rows = NDArray[np.intp] | slice


@dataclass(frozen=True)
class Rule:
    """A rule on [-1, 1], which stands for a stretch of a label, with its transforms.

    Attributes:
        nodes, weights: shape (n,).
        coefficients: nodal values -> coefficients of orthogonal polynomials, shape (n, n).
        halves: nodal values -> values at the nodes of the left and right half, shape (2, n, n).
        parts: weights of the rules of the halves, as shares of all of this one, shape (2, n).
        cut: where the halves meet.
        weighted: whether the polynomials are orthonormal for the law of the label, of which the rule is then.
    """

    nodes: Array
    weights: Array
    coefficients: Array
    halves: Array
    parts: Array
    cut: float = 0.0
    weighted: bool = False

    @classmethod
    def of_order(cls, n: int) -> Rule:
        """The rule of Legendre, with the polynomials that are 1 at 1."""
        nodes, weights = (np.asarray(part, dtype=float) for part in legendre.leggauss(n))
        coefficients = np.linalg.inv(legendre.legvander(nodes, n - 1))
        halves = np.stack([legendre.legvander((nodes + side) / 2, n - 1) @ coefficients for side in (-1, 1)])
        return cls(nodes, weights, np.asarray(coefficients), np.asarray(halves), np.stack([0.25 * weights] * 2))

    @property
    def order(self) -> int:
        """n."""
        return len(self.nodes)

    @property
    def shares(self) -> Array:
        """The weights, of sum 1."""
        whole = self.weights.sum()
        return np.asarray(self.weights / whole) if whole > 0.0 else np.full(self.order, 1.0 / self.order)

    def of(self, order: int) -> Rules:
        """The same kind of rule with other nodes."""
        return Rule.of_order(order)

    def stretches(self, axis: int, lower: Array, upper: Array) -> Iterator[tuple[Rule, Rows]]:
        """The rules of stretches of a label, each with the rows that have it."""
        yield self, slice(None)


class Rules(Protocol):
    """A rule for every stretch of every label."""

    @property
    def order(self) -> int: ...

    def of(self, order: int) -> Rules: ...

    def stretches(self, axis: int, lower: Array, upper: Array) -> Iterator[tuple[Rule, Rows]]: ...


@dataclass(frozen=True)
class FittedRules:
    """Gauss rules of the densities of independent labels.

    Attributes:
        densities: of the labels.
        order: n.
        share: of the mass of a stretch, what its left half has.
        turned: whether the rules give up one degree for nodes that lie elsewhere, on no centre of symmetry.
    """

    densities: Sequence[Density]
    order: int
    share: float = 0.5
    turned: bool = False
    _known: dict[tuple[int, float, float], Rule] = field(default_factory=dict, compare=False, repr=False)

    def of(self, order: int) -> FittedRules:
        return replace(self, order=order, _known={})

    def stretches(self, axis: int, lower: Array, upper: Array) -> Iterator[tuple[Rule, Rows]]:
        ends, rows = np.unique(np.stack([lower, upper], axis=1), axis=0, return_inverse=True)
        for index, (low, high) in enumerate(ends.tolist()):
            place = (axis, low, high)
            if place not in self._known:
                self._known[place] = self._made(self.densities[axis], low, high)
            yield self._known[place], np.flatnonzero(rows.ravel() == index)

    def _made(self, density: Density, low: float, high: float) -> Rule:
        whole = _Polynomials.of(density, low, high, self.order)
        nodes, weights = whole.gauss(self.turned)
        cut = whole.quantile(self.share)
        middle = low + 0.5 * (1.0 + cut) * (high - low)
        coefficients = whole.values(nodes).T * (weights / weights.sum())
        held = weights if whole.known else np.zeros(self.order)
        halves, parts = [], []
        for start, end, ends in ((-1.0, cut, (low, middle)), (cut, 1.0, (middle, high))):
            size = 0.5 * (end - start)
            places, own = _Polynomials.of(density, *ends, self.order).gauss(self.turned)
            halves.append(whole.values(start + size * (places + 1.0)) @ coefficients)
            parts.append(size * own / weights.sum())
        return Rule(nodes, held, coefficients, np.stack(halves), np.stack(parts), cut, True)


@dataclass(frozen=True)
class _Polynomials:
    """Orthonormal polynomials of a density on a stretch, which is [-1, 1], by the procedure of Stieltjes.

    Attributes:
        diagonal, beside: of the matrix of Jacobi, shape (n,) and (n - 1,).
        places, masses: of the rule that takes their moments.
        known: whether there is mass; the polynomials are Legendre's where there is none.
    """

    diagonal: Array
    beside: Array
    places: Array
    masses: Array
    known: bool

    @classmethod
    def of(cls, density: Density, low: float, high: float, order: int) -> _Polynomials:
        x, w = legendre.leggauss(FINE_NODES)
        ends = np.linspace(-1.0, 1.0, FINE_PANELS + 1)
        places = (ends[:-1, None] + (x + 1.0) / FINE_PANELS).ravel()
        masses = np.tile(w / FINE_PANELS, FINE_PANELS)
        given = masses * density(low + 0.5 * (high - low) * (places + 1.0))
        known = bool(given.sum() > 0.0)
        masses = given if known else masses
        diagonal, beside = np.zeros(order), np.zeros(order - 1)
        share = masses / masses.sum()
        before, here, size = np.zeros(len(places)), np.ones(len(places)), 0.0
        for k in range(order):
            diagonal[k] = share @ (places * here**2)
            following = (places - diagonal[k]) * here - size * before
            size = float(np.sqrt(share @ following**2))
            if k + 1 < order:
                beside[k] = size
                before, here = here, following / size
        return cls(diagonal, beside, places, masses, known)

    def values(self, x: Array) -> Array:
        """p_0 ... p_(n - 1) at x, shape (len(x), n)."""
        found = np.ones((len(x), len(self.diagonal)))
        for k, size in enumerate(self.beside):
            found[:, k + 1] = (x - self.diagonal[k]) * found[:, k]
            found[:, k + 1] -= self.beside[k - 1] * found[:, k - 1] if k else 0.0
            found[:, k + 1] /= size
        return found

    def gauss(self, turned: bool) -> tuple[Array, Array]:
        """Nodes and weights, exact to degree 2 n - 1, or to 2 n - 2 with nodes that are `turned`."""
        turn = 0.5 * self.beside[-1] if turned and len(self.beside) else 0.0
        while True:
            diagonal = self.diagonal.copy()
            diagonal[-1] += turn
            nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(self.beside, 1) + np.diag(self.beside, -1))
            if nodes[-1] < 1.0:
                return nodes, self.masses.sum() * vectors[0] ** 2
            turn *= 0.5

    def quantile(self, share: float) -> float:
        """Below this lies that share of the mass, about."""
        below = np.cumsum(self.masses) - 0.5 * self.masses
        return float(np.clip(np.interp(share * self.masses.sum(), below, self.places), -0.98, 0.98))
