"""Minimising movements with noise on the line in quantile coordinates, where the Wasserstein distance is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_banded

from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import recorded_grid
from mfpde.solvers.space.measure import Cells

EPSILON = float(np.finfo(float).eps)
NODES = 0.5 + 0.5 / np.sqrt(3.0) * np.array([-1.0, 1.0])  # Gauss points of a cell, each with half its mass
INCREMENT = 1e-6  # for the differences of grad Phi, relative to the law's extent
ITERATIONS = 60
DECREMENT = 1e-26  # Newton decrement at which a step is solved, relative to the energy's scale
BOUNDARY = 0.9  # of the way to a vanishing cell that a Newton step may go
STALLED = 1e-9
CUT = 1e-9  # relative excess of the time that remains over a step, taken with it
ENERGY_ROUNDING = 100.0


@dataclass(frozen=True)
class QuantileJkoOptions:
    """Options of the scheme.

    Attributes:
        step: tau, in flow time; cut only at the ends of `advance`.
        order: 2, or 1 for plain minimising movements.
    """

    step: float = 0.01
    order: int = 2


class QuantileJko:
    """Minimising movements of (1/2) F in W2 on one coordinate, among laws that are uniform between knots.

    Cells of fixed masses m_i lie between knots X_0 < ... < X_n. The optimal map between two such laws is linear in
    each cell, so that with d = X - X^old

        W2^2 = sum m_i (d_i^2 + d_i d_{i+1} + d_{i+1}^2) / 3

    is exact, and a step minimises W2^2 / (2 tau) + (1/2) F,

        (1/2) F = L(sum m_i <Phi>_i) + sum m_i (ridge <x^2>_i / 2 + (log(m_i / h_i) - <log omega>_i) / (2 beta)),

    h_i = X_{i+1} - X_i and <.>_i the mean over a cell by its two Gauss points. All but L is convex in X. Newton's
    method solves for all knots at once: the Hessian is tridiagonal plus rank M. Mass is exact, positivity is
    h_i > 0, F falls by at least W2^2 / (2 tau), and the error in space is of order 2 in the masses. The reported
    residual is half the squared Newton decrement, the distance of a step to its minimum.

    Order 2 in time is 2 (two steps of tau/2) - (one of tau), knot by knot, where this keeps h_i > 0 and F does not
    rise, and the two plain steps elsewhere.

    References: Jordan, Kinderlehrer, Otto, SIAM J. Math. Anal. 29 (1998) 1; Matthes, Osberger, ESAIM Math. Model.
    Numer. Anal. 48 (2014) 697 (knots).

    Args:
        objective: feature map and loss.
        geometry: one coordinate; a radius needs knots[0] = 0, which stays.
        flow: the terms that act; noise is required.
        knots: increasing, shape (n + 1,).
        masses: of the cells, positive, shape (n,); normalised to total 1.
        options: see `QuantileJkoOptions`.

    Raises:
        ValueError: an argument that the scheme cannot use.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        knots: Array,
        masses: Array,
        options: QuantileJkoOptions = QuantileJkoOptions(),
    ) -> None:
        _check(geometry, flow, knots, masses, options)
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self.options = options
        self._knots = np.array(knots, dtype=float)
        self._masses = np.asarray(masses, dtype=float) / float(np.sum(masses))
        self._fixed = geometry.axes[0].even
        self._power = geometry.axes[0].dimension - 1.0
        self._twice_beta = 2.0 * flow.inverse_temperature
        self._energy_scale = objective.loss.scale + 1.0

    def initial_state(self) -> State:
        """The given knots."""
        return State(0.0, self.options.step, {"knots": self._knots.copy(), "account": np.zeros(1)})

    def advance(self, state: State, until: float) -> State:
        """One step of `options.step`, or less to end at `until`.

        Raises:
            StepFailure: Newton's method does not converge.
        """
        remaining = until - state.flow_time
        last = self.options.step >= remaining * (1.0 - CUT)
        step = remaining if last else self.options.step
        knots = state.arrays["knots"]
        after, residual = self._minimise(knots, knots, step, state)
        if self.options.order == 2:
            half, first = self._minimise(knots, 0.5 * (knots + after), 0.5 * step, state)
            fine, second = self._minimise(half, after, 0.5 * step, state)
            residual = max(residual, first, second)
            better = 2.0 * fine - after
            allowance = ENERGY_ROUNDING * EPSILON * self._energy_scale
            rises = not (np.diff(better).min() > 0.0) or not (
                self._half_energy(better) <= self._half_energy(knots) + allowance
            )
            after = fine if rises else better
        residual = max(residual, float(state.arrays["account"][0]))
        time = until if last else state.flow_time + step
        return State(time, self.options.step, {"knots": after, "account": np.array([residual])})

    def observe(self, state: State) -> Observation:
        """Risk, energy and the moments of the law, which is uniform between its knots."""
        knots, mass = state.arrays["knots"], self._masses
        middle, width = 0.5 * (knots[1:] + knots[:-1]), np.diff(knots)
        mean = float(mass @ middle)
        return Observation(
            risk=self.objective.risk(self.objective.outputs(_points(knots)[:, None], np.repeat(0.5 * mass, 2))),
            free_energy=2.0 * self._half_energy(knots) - self.geometry.log_surface / self.flow.inverse_temperature,
            mass=float(mass.sum()),
            mean=np.array([mean]),
            variance=np.array([float(mass @ ((middle - mean) ** 2 + width**2 / 12.0))]),
            law=Cells(recorded_grid([knots]), mass),
            residual=float(state.arrays["account"][0]),
        )

    def _half_energy(self, knots: Array) -> float:
        """F / 2 without the surface constant."""
        points, mass = _points(knots), self._masses
        share = np.repeat(0.5 * mass, 2)
        potential = 0.5 * self.flow.decay.w * points**2
        if self._power > 0.0:
            potential = potential - self._power * np.log(points) / self._twice_beta
        entropy = float(mass @ np.log(mass / np.diff(knots))) / self._twice_beta
        return (
            self.objective.loss.value(self.objective.outputs(points[:, None], share))
            + float(share @ potential)
            + entropy
        )

    def _minimise(self, old: Array, start: Array, step: float, state: State) -> tuple[Array, float]:
        """The minimiser, and half the squared Newton decrement there."""
        knots = start
        value = self._movement(knots, old, step)
        for _ in range(ITERATIONS):
            gradient, move = self._newton(knots, old, step)
            decrement = -float(gradient @ move)
            if abs(decrement) <= DECREMENT * self._energy_scale:
                return knots, 0.5 * abs(decrement)
            shrink = float((-np.diff(move) / np.diff(knots)).max())
            length = min(1.0, BOUNDARY / shrink) if shrink > 0.0 else 1.0
            while length > STALLED:
                trial = knots + length * move
                new = self._movement(trial, old, step)
                if new <= value - 0.1 * length * decrement + 10.0 * EPSILON * self._energy_scale:
                    break
                length *= 0.5
            else:
                break
            knots, value = trial, new
        raise StepFailure(
            f"quantile JKO: no minimiser found for a step of {step:.3g}", state.flow_time, "use a smaller solver.step"
        )

    def _movement(self, knots: Array, old: Array, step: float) -> float:
        d = knots - old
        square = float(self._masses @ (d[:-1] ** 2 + d[:-1] * d[1:] + d[1:] ** 2)) / 3.0
        return 0.5 * square / step + self._half_energy(knots)

    def _newton(self, knots: Array, old: Array, step: float) -> tuple[Array, Array]:
        """Gradient of the movement and Newton's direction, one of descent."""
        points, mass, width = _points(knots), self._masses, np.diff(knots)
        share = np.repeat(0.5 * mass, 2)
        d = knots - old
        features = self.objective.features
        values, slopes = features.values_and_gradients(points[:, None])
        g = self.objective.loss_gradient(share @ values)
        increment = INCREMENT * (knots[-1] - knots[0])
        ahead = features.contract(points[:, None] + increment, g)[1][:, 0]
        first = slopes[:, :, 0] @ g
        second = (ahead - first) / increment + self.flow.decay.w
        first = first + self.flow.decay.w * points
        if self._power > 0.0:
            first = first - self._power / (self._twice_beta * points)
            second = second + self._power / (self._twice_beta * points**2)
        gradient = _gather(share * first)
        gradient[:-1] += mass * (2.0 * d[:-1] + d[1:]) / (6.0 * step) + mass / (width * self._twice_beta)
        gradient[1:] += mass * (2.0 * d[1:] + d[:-1]) / (6.0 * step) - mass / (width * self._twice_beta)
        jacobian = np.stack([_gather(share * slopes[:, m, 0]) for m in range(slopes.shape[1])], axis=1)
        if self._fixed:
            gradient[0], jacobian[0] = 0.0, 0.0
        bands = self._bands(width, share * second, step)
        move = _solve(bands, jacobian, self.objective.loss.metric, gradient)
        if not (float(gradient @ move) <= 0.0):
            bands = self._bands(width, share * np.maximum(second, 0.0), step)
            move = _solve(bands, jacobian, self.objective.loss.metric, gradient)
        return gradient, move

    def _bands(self, width: Array, curvature: Array, step: float) -> Array:
        """The tridiagonal part of the Hessian for `solve_banded`, shape (3, n + 1)."""
        mass = self._masses
        spring = mass / (width**2 * self._twice_beta)
        bands = np.zeros((3, len(mass) + 1))
        low, high = curvature[0::2], curvature[1::2]
        a, b = NODES
        bands[1, :-1] += mass / (3.0 * step) + spring + low * (1.0 - a) ** 2 + high * (1.0 - b) ** 2
        bands[1, 1:] += mass / (3.0 * step) + spring + low * a**2 + high * b**2
        bands[0, 1:] = mass / (6.0 * step) - spring + low * a * (1.0 - a) + high * b * (1.0 - b)
        bands[2, :-1] = bands[0, 1:]
        if self._fixed:
            bands[1, 0], bands[0, 1], bands[2, 0] = 1.0, 0.0, 0.0
        return bands


def _points(knots: Array) -> Array:
    """The Gauss points of the cells, shape (2 n,)."""
    return np.asarray((knots[:-1, None] + np.diff(knots)[:, None] * NODES).ravel())


def _gather(terms: Array) -> Array:
    """Derivatives with respect to the knots of a sum over the Gauss points, shape (n + 1,)."""
    low, high = terms[0::2], terms[1::2]
    gathered = np.zeros(len(low) + 1)
    gathered[:-1] = low * (1.0 - NODES[0]) + high * (1.0 - NODES[1])
    gathered[1:] += low * NODES[0] + high * NODES[1]
    return gathered


def _solve(bands: Array, jacobian: Array, weights: Array, gradient: Array) -> Array:
    """-(T + J diag(weights) J^T)^-1 gradient by the Sherman-Morrison-Woodbury formula."""
    solved = solve_banded((1, 1), bands, np.column_stack([gradient, jacobian]))
    small = np.diag(1.0 / weights) + jacobian.T @ solved[:, 1:]
    return np.asarray(solved[:, 1:] @ np.linalg.solve(small, jacobian.T @ solved[:, 0]) - solved[:, 0])


def _check(geometry: Geometry, flow: Flow, knots: Array, masses: Array, options: QuantileJkoOptions) -> None:
    if geometry.dimension != 1 or not geometry.mobile[0]:
        raise ValueError(f"quantile JKO takes one coordinate that moves, got {geometry.names}: use JKO on a grid")
    if not (0.0 < flow.inverse_temperature < np.inf):
        raise ValueError(f"quantile JKO needs noise, got inverse_temperature = {flow.inverse_temperature}: use atoms")
    if flow.fisher_rao_rate != 0.0 or not flow.transport:
        raise ValueError("quantile JKO only transports mass: set dynamics.flow = 'wasserstein'")
    if not (len(knots) == len(masses) + 1 and np.diff(knots).min() > 0.0 and np.min(masses) > 0.0):
        raise ValueError(f"give n + 1 increasing knots and n positive masses, got {len(knots)} and {len(masses)}")
    if geometry.axes[0].even and knots[0] != 0.0:
        raise ValueError(f"a radius needs its first knot at 0, got {knots[0]}")
    if options.order not in (1, 2) or not (0.0 < options.step < np.inf):
        raise ValueError(f"order must be 1 or 2 and step > 0, got {options.order} and {options.step}")
