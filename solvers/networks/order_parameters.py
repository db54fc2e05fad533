"""The population flow of N actual neurons under a committee of teachers, closed in their inner products.

    f = (1/N) sum_i a_i sigma(<w_i, x>),   y = sum_k c_k sigma(<u_k, x>) + noise,   x ~ N(0, Id_d),  u_k orthonormal.

Gradients of the pair moments kappa(v, v', c) lie in the span of the vectors themselves, so that the flow of the w_i
closes on Q_ij = <w_i, w_j> and r_ik = <w_i, u_k> whatever d is (D. Saad, S. A. Solla, Phys. Rev. E 52 (1995) 4225, as
the step vanishes):

    w_i' = A_i w_i + sum_j B_ij w_j + sum_k C_ik u_k,
    A_i  = 2 a_i [ sum_k c_k d_v kappa(Q_ii, 1, r_ik) - (1/N) sum_j a_j d_v kappa(Q_ii, Q_jj, Q_ij) ] - lambda,
    B_ij = -(a_i a_j / N) d_c kappa(Q_ii, Q_jj, Q_ij),     C_ik = a_i c_k d_c kappa(Q_ii, 1, r_ik),
    a_i' = sum_k c_k kappa(Q_ii, 1, r_ik) - (1/N) sum_j a_j kappa(Q_ii, Q_jj, Q_ij) - lambda a_i,
    Q'   = X + X^T,  X = (A + B) Q + C r^T,     r' = (A + B) r + C.

N atoms of the reduced flow are rings of neurons in all directions across the u_k; these here are single ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..activations.activation import Arc
from ..arrays import Array
from ..flow.confinement import Confinement
from ..flow.dop853 import Dop853
from ..flow.flow import Flow
from ..flow.time_loop import Observation, State, StepFailure
from ..space.measure import Atoms
from .arcs import pairs


@dataclass(frozen=True)
class Committee:
    """Units and teachers with one closed pair moment.

    Attributes:
        arc: kappa.
        weights: c_k, shape (K,).
        noise: standard deviation of what y is beside it.
    """

    arc: Arc
    weights: Array
    noise: float = 0.0

    @property
    def second_moment(self) -> float:
        """E y^2."""
        ones = np.ones(len(self.weights))
        return float(self.weights @ pairs(self.arc, ones, ones, np.eye(len(ones)))[0] @ self.weights) + self.noise**2


@dataclass(frozen=True)
class Overlaps:
    """What is known of N neurons: Q, shape (N, N), r, shape (N, K), a, shape (N,)."""

    q: Array
    r: Array
    a: Array

    @classmethod
    def of(cls, w: Array, a: Array, count: int) -> Overlaps:
        """Of vectors, shape (N, d), whose first `count` coordinates are those along the teachers."""
        return cls(w @ w.T, w[:, :count].copy(), a)

    @classmethod
    def far(cls, along: Array, across: Array, a: Array) -> Overlaps:
        """Of neurons of infinite dimension, whose directions across the teachers have nothing in common."""
        return cls(along @ along.T + np.diag(across**2), along, a)

    @classmethod
    def unpacked(cls, flat: Array, count: int, teachers: int) -> Overlaps:
        q, r, a = np.split(flat, [count * count, count * (count + teachers)])
        return cls(q.reshape(count, count), r.reshape(count, teachers), a)

    @property
    def packed(self) -> Array:
        return np.concatenate([self.q.ravel(), self.r.ravel(), self.a])

    @property
    def across(self) -> Array:
        """|w_i| without what lies along the teachers."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.q) - (self.r**2).sum(axis=1), 0.0)))


ALONE = Flow()
"""Without a confinement."""


class OrderParameterFlow:
    """The flow of the module's docstring, by DOP853.

    Args:
        committee: units and teachers.
        start: the neurons at flow time 0.
        flow: ridge and penalty.
        mobility: factors on the velocities of w and a; 0 for what stays.
        perpendicular, has_coefficient: whether w_perp and a are among the coordinates that are reported.
        tolerance: absolute and relative, of a step.
    """

    def __init__(
        self,
        committee: Committee,
        start: Overlaps,
        flow: Flow = ALONE,
        mobility: tuple[float, float] = (1.0, 0.0),
        perpendicular: bool = True,
        has_coefficient: bool = False,
        tolerance: float = 1e-10,
    ) -> None:
        self.committee = committee
        self.start = start
        self.flow = flow
        self._confinement = Confinement((flow.decay.w, flow.decay.a * has_coefficient), 1, 1, flow.penalty)
        self.mobility = mobility
        self.perpendicular, self.has_coefficient = perpendicular, has_coefficient
        self.tolerance = tolerance

    def initial_state(self) -> State:
        return State(0.0, 0.0, {"overlaps": self.start.packed})

    def advance(self, state: State, until: float) -> State:
        room = until - state.flow_time
        first, relative = min(state.step, room) if state.step > 0.0 else None, max(self.tolerance, 3e-14)

        def velocity(flat: Array, out: Array) -> None:
            out[:] = self._rates(flat)

        start = state.arrays["overlaps"]
        solver = Dop853(velocity, state.flow_time, start, until, first, relative, self.tolerance)
        message = solver.step()
        if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
            words = f"the neurons cannot step ({message})"
            raise StepFailure(words, state.flow_time, "loosen {tolerance} or end earlier")
        # a step cut short by `until` says little of the next one
        step = max(solver.h_abs, state.step) if solver.status == "finished" else solver.h_abs
        return State(float(solver.t), float(step), {"overlaps": solver.y})

    def observe(self, state: State) -> Observation:
        held = self.overlaps(state)
        count = len(held.a)
        columns = [held.r, *[held.across] * self.perpendicular, *[held.a] * self.has_coefficient]
        points, weights = np.column_stack(columns), np.full(count, 1.0 / count)
        teachers, own = self._pairs(held)
        pull = float(held.a @ teachers[0] @ self.committee.weights) / count
        risk = self.committee.second_moment - 2.0 * pull + float(held.a @ own[0] @ held.a) / count**2
        # inner products off by the tolerance of the steps are those of no vectors
        risk = max(risk, self.committee.noise**2)
        mean = weights @ points
        return Observation(
            risk=risk,
            free_energy=risk + self._confinement.energy(self._sizes(held), weights),
            mass=1.0,
            mean=mean,
            variance=weights @ (points - mean) ** 2,
            law=Atoms(points, weights),
            dissipation=self._dissipation(held),
            place_error=self.tolerance,
        )

    def overlaps(self, state: State) -> Overlaps:
        """Q, r and a of a state."""
        return Overlaps.unpacked(state.arrays["overlaps"], len(self.start.a), len(self.committee.weights))

    def _pairs(self, held: Overlaps) -> tuple[Array, Array]:
        """kappa and its derivatives with the teachers, shape (3, N, K), and with one another, shape (3, N, N)."""
        squares = np.diag(held.q).copy()
        teachers = pairs(self.committee.arc, squares, np.ones(held.r.shape[1]), held.r)
        return teachers, pairs(self.committee.arc, squares, squares, held.q)

    def _sizes(self, held: Overlaps) -> Array:
        """(|w|, a) of the neurons, on which the confinement depends, shape (N, 2)."""
        return np.column_stack([np.sqrt(np.maximum(np.diag(held.q), 0.0)), held.a])

    def _terms(self, held: Overlaps) -> tuple[Array, Array, Array]:
        """diag A + B, C and a'."""
        (by_teachers, along, spread), (mixed, turned, grown) = self._pairs(held)
        a, c, count = held.a, self.committee.weights, len(held.a)
        pull = self._confinement.gradient(self._sizes(held))
        lengths = np.sqrt(np.diag(held.q))
        shrinking = np.divide(pull[:, 0], lengths, out=np.zeros(count), where=lengths > 0.0)
        own = 2.0 * a * (spread @ c - grown @ a / count) - shrinking
        matrix = np.diag(own) - np.outer(a, a) / count * turned
        slope = by_teachers @ c - mixed @ a / count - pull[:, 1] * self.has_coefficient
        w_speed, a_speed = self.mobility
        return w_speed * matrix, w_speed * a[:, None] * along * c, a_speed * slope

    def _rates(self, flat: Array) -> Array:
        held = Overlaps.unpacked(flat, len(self.start.a), len(self.committee.weights))
        matrix, pulled, slope = self._terms(held)
        change = matrix @ held.q + pulled @ held.r.T
        return Overlaps(change + change.T, matrix @ held.r + pulled, slope).packed

    def _dissipation(self, held: Overlaps) -> float:
        """D = (2/N) sum_i (|w_i'|^2 / m_w + a_i'^2 / m_a)."""
        matrix, pulled, slope = self._terms(held)
        squares = np.einsum("ij,jk,ik->i", matrix, held.q, matrix)
        squares += 2.0 * np.einsum("ij,jk,ik->i", matrix, held.r, pulled) + (pulled**2).sum(axis=1)
        w_speed, a_speed = self.mobility
        found = squares / w_speed if w_speed > 0.0 else np.zeros_like(squares)
        found = found + (slope**2 / a_speed if a_speed > 0.0 else 0.0)
        return 2.0 * float(found.mean()) if math.isfinite(float(found.mean())) else math.nan
