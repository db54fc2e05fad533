"""Signed measures on the circle of least square loss with a price on their mass, by a kernel of differences of angles.

    F(m) = ∬k dmu dmu + 2 lambda |m|_TV,    mu = m - teachers,    h(u) = ∫k(u - .) dmu,

is convex: m = sum_i s_i c_i delta_{u_i} with c_i > 0 is optimal iff |h| <= lambda everywhere and s_i h(u_i) = -lambda.
Atoms are added where |h| is too large, their masses solved for (non-negative least squares), and positions and masses
together by Newton's method; angles at which |h| stays beyond lambda go round again.

With r = y - f and tau sup |h| <= lambda no m has less F than 2 tau E[r y] - tau^2 E[r^2], which is F itself at tau = 1:
sup |h| is taken over the whole circle, bounded between samples by |k''|.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array
from .bound import global_lower_bound

SAMPLES = 4096
"""Angles at which |h| is looked at in every round."""
ROUNDS, STEPS = 60, 30
NEAR = 1e-6
"""Distance below which atoms of one sign are one."""
SETTLED = 1e-15
CLEAR = 1e-9
"""Excess of |h| over lambda, relative to it, that samples show and no bound needs to."""
TIGHT = 1e-13
"""How far the bound of |h| may lie above its largest value, relative to lambda."""
TURN = 2.0 * np.pi


class Profile(Protocol):
    """An even, positive definite kernel of a difference of angles."""

    @property
    def bend(self) -> float:
        """A bound of |k''|."""
        ...

    def jets(self, apart: Array) -> tuple[Array, Array, Array]:
        """k, k' and k'' at differences of angles, elementwise."""
        ...


@dataclass(frozen=True)
class CircleOptimum:
    """The measure and what is known of it.

    Attributes:
        angles, signs, masses: of the atoms, in the order of their angles, shape (K,).
        risk, free_energy: ∬k dmu dmu, and F.
        lower_bound: no measure has less F.
        largest: sup |h|, at most; at `angle`, about.
        residual: largest |s h + lambda| and |h'| at the atoms.
    """

    angles: Array
    signs: Array
    masses: Array
    risk: float
    free_energy: float
    lower_bound: float
    largest: float
    angle: float
    residual: float


@dataclass(frozen=True)
class _Measure:
    angles: Array
    signs: Array
    masses: Array


@dataclass(frozen=True)
class CircleLaw:
    """What is learned.

    Attributes:
        profile: k.
        angles, weights: of the teachers, shape (T,).
    """

    profile: Profile
    angles: Array
    weights: Array


@dataclass(frozen=True)
class CircleProblem:
    """What is learned, and at what price.

    Attributes:
        law: kernel and teachers.
        price: lambda > 0.
    """

    law: CircleLaw
    price: float

    def slopes(self, at: Array, measure: _Measure | CircleOptimum) -> tuple[Array, Array, Array]:
        """h, h' and h'' at angles, shape (n,)."""
        places = np.concatenate([measure.angles, self.law.angles])
        masses = np.concatenate([measure.signs * measure.masses, -self.law.weights])
        parts = self.law.profile.jets(at[:, None] - places)
        return parts[0] @ masses, parts[1] @ masses, parts[2] @ masses

    def energies(self, measure: _Measure) -> tuple[float, float, float]:
        """E r^2, E r y and |m|_TV."""
        at_teachers = self.slopes(self.law.angles, measure)[0]
        at_atoms = self.slopes(measure.angles, measure)[0]
        with_target = -float(self.law.weights @ at_teachers)
        own = float((measure.signs * measure.masses) @ at_atoms)
        return max(with_target + own, 0.0), with_target, float(measure.masses.sum())

    def solved(self) -> CircleOptimum:
        """The optimum, or where `ROUNDS` end, with the bound that tells."""
        measure, samples = _Measure(np.empty(0), np.empty(0), np.empty(0)), TURN * np.arange(SAMPLES) / SAMPLES
        for _ in range(ROUNDS):
            size = np.abs(self.slopes(samples, measure)[0])
            peaks = (size >= np.roll(size, 1)) & (size > np.roll(size, -1)) & (size > (1.0 - CLEAR) * self.price)
            added = self._climbed(samples[peaks], measure)
            added = added[np.abs(self.slopes(added, measure)[0]) > (1.0 + CLEAR) * self.price]
            if not added.size:
                found = self._judged(measure)
                if not (found.largest > (1.0 + CLEAR) * self.price):
                    return found
                added = np.array([found.angle])
            signs = -np.sign(self.slopes(added, measure)[0])
            measure = _Measure(
                np.append(measure.angles, added),
                np.append(measure.signs, signs),
                np.append(measure.masses, 0.0 * added),
            )
            measure = self._improved(self._weighed(measure))
        return self._judged(measure)

    def _climbed(self, at: Array, measure: _Measure) -> Array:
        """Local maxima of |h| near samples of them."""
        for _ in range(8):
            _, first, second = self.slopes(at, measure)
            step = np.where(second != 0.0, -first / np.where(second != 0.0, second, 1.0), 0.0)
            at = at + np.clip(step, -TURN / SAMPLES, TURN / SAMPLES)
        return at

    def _weighed(self, measure: _Measure) -> _Measure:
        """The best masses on the atoms, and those that have some."""
        from scipy import optimize

        values = self.law.profile.jets(measure.angles[:, None] - measure.angles)[0]
        gram = measure.signs[:, None] * values * measure.signs
        pull = (
            measure.signs * (self.law.profile.jets(measure.angles[:, None] - self.law.angles)[0] @ self.law.weights)
            - self.price
        )
        sizes, vectors = np.linalg.eigh(gram)
        kept = sizes > 1e-14 * sizes[-1]
        roots = np.sqrt(sizes[kept])
        masses = optimize.nnls(
            roots[:, None] * vectors[:, kept].T, (vectors[:, kept].T @ pull) / roots, maxiter=10_000
        )[0]
        held = masses > 1e-14 * max(float(masses.max(initial=0.0)), 1e-300)
        return _Measure(measure.angles[held], measure.signs[held], masses[held])

    def _improved(self, measure: _Measure) -> _Measure:
        """Newton's steps in angles and masses, as long as they lower F; atoms that meet or vanish leave."""
        best = self._value(measure)
        for _ in range(STEPS):
            measure = self._joined(measure)
            angles, masses, size = self._newton(measure)
            for halving in range(30):
                share = 0.5**halving
                trial = _Measure(
                    measure.angles + share * angles, measure.signs, np.maximum(measure.masses + share * masses, 0.0)
                )
                reached = self._value(trial)
                if reached <= best + 1e-15 * abs(best):
                    break
            else:
                break
            measure, best = trial, min(best, reached)
            if (measure.masses == 0.0).any():
                measure = self._weighed(measure)
                best = self._value(measure)
            if size <= SETTLED:
                break
        return measure

    def _value(self, measure: _Measure) -> float:
        risk, _, mass = self.energies(measure)
        return risk + 2.0 * self.price * mass

    def _joined(self, measure: _Measure) -> _Measure:
        """Atoms of one sign nearer than `NEAR` as one."""
        order = np.lexsort((np.mod(measure.angles, TURN), measure.signs))
        angles, signs, masses = np.mod(measure.angles, TURN)[order], measure.signs[order], measure.masses[order]
        groups = np.concatenate([[0], np.cumsum((np.diff(angles) > NEAR) | (np.diff(signs) != 0.0))])
        total = np.bincount(groups, masses).astype(float)
        middle = np.bincount(groups, masses * angles) / total
        return _Measure(middle, signs[np.unique(groups, return_index=True)[1]], total)

    def _newton(self, measure: _Measure) -> tuple[Array, Array, float]:
        """Steps of angles and masses towards s h = -lambda, h' = 0, and their largest size."""
        angles, signs, masses = measure.angles, measure.signs, measure.masses
        value, first, second = self.slopes(angles, measure)
        k, slope, bend = self.law.profile.jets(angles[:, None] - angles)
        count = len(angles)
        jacobian = np.empty((2 * count, 2 * count))
        jacobian[:count, :count] = k * signs
        jacobian[:count, count:] = -slope * (signs * masses) + np.diag(first)
        jacobian[count:, :count] = slope * signs
        jacobian[count:, count:] = -bend * (signs * masses) + np.diag(second)
        residual = np.concatenate([value + signs * self.price, first])
        step = np.linalg.lstsq(jacobian, -residual, rcond=1e-15)[0]
        size = max(float(np.abs(step[:count]).max() / masses.max()), float(np.abs(step[count:]).max()))
        return step[count:], step[:count], size

    def _judged(self, measure: _Measure) -> CircleOptimum:
        """The measure with its certificate."""
        square, with_target, mass = self.energies(measure)
        total = float(np.abs(self.law.weights).sum()) + mass
        bends = _Bends(self.law.profile.bend * total)

        def lowest(points: Array) -> Array:
            return -np.abs(self.slopes(points[:, 0], measure)[0])

        accuracy = TIGHT * self.price + 1e-15 * total
        bound = global_lower_bound(lowest, bends, np.zeros(1), np.full(1, TURN), 0.0, accuracy, 200_000)
        largest = -bound.lower + 1e-15 * total
        share = min(1.0, self.price / largest)
        lower = 2.0 * share * with_target - share**2 * square
        energy, order = square + 2.0 * self.price * mass, np.argsort(np.mod(measure.angles, TURN))
        return CircleOptimum(
            np.mod(measure.angles, TURN)[order],
            measure.signs[order],
            measure.masses[order],
            square,
            energy,
            min(max(lower, 0.0), energy),
            largest,
            float(bound.point[0]),
            self._residual(measure),
        )

    def _residual(self, measure: _Measure) -> float:
        value, first, _ = self.slopes(measure.angles, measure)
        parts = np.concatenate([np.abs(value + measure.signs * self.price), np.abs(first)])
        return float(parts.max(initial=0.0))


@dataclass(frozen=True)
class _Bends:
    """-|h| bends downwards only by |h''|, and upwards at zeros of h, where it is no minimum."""

    bend: float

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        return np.full(lower.shape, self.bend)

    def slopes(self, lower: Array, upper: Array) -> Array:
        return np.full(lower.shape, np.inf)
