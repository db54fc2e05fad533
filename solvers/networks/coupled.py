"""The dynamics that the dimension-free bounds couple, from one theta^0: nonlinear, particle, gradient descent.

    nonlinear (ND)         dtheta_i/dt = -xi(t) grad Psi_lambda(theta_i; rho_t),  rho_t the law of the equation
    particle (PD)          dtheta_i/dt = -xi(t) grad Psi_lambda(theta_i; rho_N),  rho_N = (1/N) sum_i delta_{theta_i}
    gradient descent (GD)  theta_i^{k+1} = theta_i^k - eps xi((k + 1) eps) grad Psi_lambda(theta_i^k; rho_N^k)

and SGD, whose steps have the expectation of those of GD. S. Mei, T. Misiakiewicz, A. Montanari, COLT 2019
(arXiv:1902.06015), proof of Theorem 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..characteristics.characteristics import Characteristics, LabelLaw
from ..flow.confinement import Confinement
from ..flow.dop853 import Dop853
from ..flow.flow import Flow
from ..flow.time_loop import State, StepFailure
from ..objective.objective import Objective
from ..sgd.engine import Sgd, SgdState
from ..space.geometry import Geometry
from .population import Population

STALL_STEPS, STALL_SHARE = 60, 1e-3
"""Steps of the particle dynamics that must bring them on by this share of the whole time."""


class FollowedCharacteristics(Characteristics):
    """Characteristics of the equation, with neurons that the law carries but that do not act back on it.

    The neurons are atoms of mass zero in the same Runge-Kutta steps: dz_i/ds = -grad Psi_lambda(z_i; rho_s), z_i the
    reduced coordinates of theta_i. By symmetry the directions of w_i within the blocks do not move.

    Args:
        followers: reduced coordinates of the neurons at time 0, shape (N, D).
        tolerance, order, atoms: of the steps and panels, as for Characteristics.
    """

    name = "followed characteristics"

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        law: LabelLaw,
        followers: Array,
        tolerance: float = 1e-8,
        order: int = 10,
        atoms: Sequence[int] | None = None,
    ) -> None:
        if flow.fisher_rao_rate > 0.0:
            raise ValueError("neurons have no birth and death: write fisher_rao_rate = 0.0")
        super().__init__(objective, geometry, flow, law, tolerance, order=order, atoms=atoms)
        self.followers = followers

    @classmethod
    def of(cls, scheme: Characteristics, followers: Array) -> FollowedCharacteristics:
        """The same characteristics with followers."""
        given = scheme.objective, scheme.geometry, scheme.flow, scheme.law
        return cls(*given, followers, scheme.tolerance, scheme.rules.order, scheme.atoms)

    def initial_state(self) -> State:
        return self._with(super().initial_state(), self.followers)

    def advance(self, state: State, until: float) -> State:
        panels = self._panels(state)
        positions, masses = panels.atoms
        places = np.concatenate([positions, state.arrays["followers"]])
        weights = np.concatenate([masses, np.zeros(len(places) - len(masses))])

        moving = np.ones(places.shape, dtype=bool)

        def velocity(flat: Array, out: Array) -> None:
            self._move(flat.reshape(places.shape), weights, moving, out.reshape(places.shape))

        first = min(state.step, until - state.flow_time) if state.step > 0 else None
        solver = Dop853(velocity, state.flow_time, places.ravel(), until, first, self.tolerance, self.tolerance)
        message = solver.step()
        if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
            raise StepFailure(
                f"the nonlinear dynamics cannot step ({message})",
                state.flow_time,
                "loosen {tolerance} or end earlier",
            )
        moved = self._walls.returned(solver.y.reshape(places.shape), solver.f.reshape(places.shape))
        # a step cut short by `until` says little of the next one
        step = max(solver.h_abs, state.step) if solver.status == "finished" else solver.h_abs
        panels = self._resolved(panels.with_positions(moved[: len(masses)]))
        following = self._state(float(solver.t), float(step), panels, np.nan, np.nan)
        return self._with(following, moved[len(masses) :])

    def neurons(self, state: State) -> Array:
        """Reduced coordinates of the neurons, shape (N, D)."""
        return self.geometry.turned(self.geometry.held(state.arrays["followers"]))

    def _with(self, state: State, followers: Array) -> State:
        return replace(state, arrays={**state.arrays, "followers": followers})


@dataclass(frozen=True)
class Drift:
    """-grad Psi_lambda(theta_i; rho_N) of a finite network over the law of the data, on packed parameters.

    Attributes:
        sgd: the problem: ridge, penalty, what is trained.
        population: risk and gradient over the law of the data.
    """

    sgd: Sgd
    population: Population

    def pack(self, state: SgdState) -> Array:
        """What moves, as one array: w, then a and b where they are trained."""
        heads = ((state.a, self.sgd.trained_coefficients), (state.b, self.sgd.trained_offsets))
        return np.concatenate([state.w.ravel(), *(head for head, moves in heads if moves)])

    def unpack(self, packed: Array, state: SgdState) -> SgdState:
        """The parameters of `packed`, with the rest of `state`."""
        w, heads = np.split(packed.copy(), [state.w.size])
        a, b = state.a, state.b
        if self.sgd.trained_coefficients:
            a, heads = heads[: len(a)], heads[len(a) :]
        if self.sgd.trained_offsets:
            b = heads
        return replace(state, w=w.reshape(state.w.shape), a=a, b=b)

    def __call__(self, state: SgdState) -> Array:
        """The drift at a state, packed."""
        trained = self.sgd.trained_coefficients, self.sgd.trained_offsets
        gradient = SgdState(0, *self.population.gradient(state.w, state.a, state.b, *trained))
        points, d = np.column_stack([state.w, state.a, state.b]), state.w.shape[1]
        w, a, b = self.sgd.decay
        pull = Confinement((w,) * d + (a, b), d, d, self.sgd.penalty).gradient(points)
        force = -self.pack(gradient) - self.pack(SgdState(0, pull[:, :d], pull[:, d], pull[:, d + 1]))
        gains = (np.full(np.shape(part), gain) for part, gain in zip(state.parts, self.sgd.gains, strict=True))
        return force * self.pack(SgdState(0, *gains))


def particle_dynamics(
    drift: Drift,
    state: SgdState,
    flow_times: Iterable[float],
    tolerance: float = 1e-9,
    on_step: Callable[[float], object] = lambda flow_time: None,
) -> Iterator[SgdState]:
    """The particle dynamics from `state` at flow time 0, at increasing flow times, by DOP853 and its dense output.

    Args:
        tolerance: absolute and relative, of the root mean square over all parameters in a step.
        on_step: called with the flow time after every step.

    Raises:
        StepFailure: the steps become too short, as they do where a neuron is held at w = 0 by a kink of sigma.
    """
    times = list(flow_times)

    def velocity(packed: Array, out: Array) -> None:
        out[:] = drift(drift.unpack(packed, state))

    solver = Dop853(velocity, 0.0, drift.pack(state), max(times, default=0.0), None, tolerance, tolerance)
    passed = deque([-np.inf] * STALL_STEPS, maxlen=STALL_STEPS)
    for time in times:
        while solver.t < time:
            message = solver.step()
            stalled = not (solver.t - passed[0] > STALL_SHARE * times[-1])
            if solver.status == "failed" or not np.all(np.isfinite(solver.y)) or stalled:
                reason = message or "ever shorter steps"
                raise StepFailure(
                    f"the particle dynamics cannot step ({reason}): neurons may be held at w = 0",
                    float(solver.t),
                    "end earlier, or use an activation without a kink at 0",
                )
            passed.append(float(solver.t))
            on_step(float(solver.t))
        ends = time == solver.t or solver.t == 0.0
        yield drift.unpack(solver.y if ends else solver.path()(time), state)


def gradient_descent(
    drift: Drift,
    state: SgdState,
    stops: Iterable[int],
    stride: int = 1,
    on_step: Callable[[int], object] = lambda step: None,
) -> Iterator[SgdState]:
    """Gradient descent from `state` at step 0, at increasing steps `stops`, by Euler steps of `stride` steps each.

    A long step makes the sum of the steps it stands for, so that every stride walks through the same flow times
    s_k = sum_{j < k} eps xi((j + 1) eps); a stop within a long step lies on its straight line, and moves no step.

    Raises:
        ValueError: for a stride below 1.
    """
    if not (stride >= 1):
        raise ValueError(f"a step of gradient descent stands for at least one step, not {stride}: write stride = 1")
    packed, start = drift.pack(state), 0
    velocity = drift(state)
    for stop in stops:
        while stop >= start + stride:
            packed = packed + float(drift.sgd.rates(start, start + stride).sum()) * velocity
            start += stride
            velocity = drift(drift.unpack(packed, state))
            on_step(start)
        part = float(drift.sgd.rates(start, stop).sum())
        yield replace(drift.unpack(packed + part * velocity, state), step=stop)


def extrapolated(drift: Drift, limit: SgdState, coarse: SgdState, stride: int) -> SgdState:
    """Gradient descent of stride 1 from that of a longer stride and the particle dynamics at the same flow time.

    Euler's error is of order one, theta_GD = theta_PD + n eps e(t) + O((n eps)^2) with stride n, so that theta_PD +
    (theta_GD - theta_PD) / n is gradient descent of stride 1 up to O(n eps^2).
    """
    if stride == 1:
        return coarse
    ground = drift.pack(limit)
    return drift.unpack(ground + (drift.pack(coarse) - ground) / stride, coarse)
