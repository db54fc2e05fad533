"""Minimising movements of atoms under a potential with kinks: each step lands on kinks exactly.

    min_rho  W2^2(rho, mu) / (2 tau) + L(Phi rho) + ∫V drho  =  max_g  -L*(g) + ∫ min_z J(z; x, g) mu(dx),
    J(z; x, g) = |z - x|^2 / (2 tau) + g . Phi(z) + V(z),

|.| in the metric of the mobilities. J is smooth between the kinks: Newton's steps go on within a branch, stop at the
kinks they meet, where `contact` says on which side J descends or that it is least there, and leave kinks whose
multiplier is out of its interval. The dual in g is solved by Newton's method with the curvature that the faces leave,

    -Hess D = Hess L* + ∫ grad Phi Z (Z^T Hess J Z)^-1 Z^T grad Phi^T dmu,

Z a basis of the motions along the kinks that an atom is on. From x on J only descends: its minimiser is the nearest
one, which is the only one where tau is small next to the curvature and no atom is as near to a kink bent downwards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...characteristics.contact import ABOVE, BELOW, HELD, contact
from ...characteristics.panels import Panels
from ...characteristics.sliding import TOUCHING, SlidingCharacteristics
from ...flow.time_loop import Observation, State, StepFailure

IntArray = NDArray[np.int64]

PASSES, ROUNDS, HALVINGS = 60, 200, 40
DIFFERENCE = 1e-3
"""Step of the differences of slopes that make curvatures, exact where units are piecewise linear."""
SETTLED = 1e-13
"""Last Newton move of an atom, relative to 1 + |z|."""
LEFT = 1e-11
"""By how much a multiplier is out of its interval, in parts of the forces, where the kink is left."""
SOLVED = 1e-13
"""Accepted residual of the outputs, relative to the scale of the loss: its square is a duality gap."""


class _Images(NamedTuple):
    """Proximal maps of all atoms.

    Attributes:
        places, sides: shape (n, D) and (n, K).
        value: ∫ J dmu there.
        inverses: Z (Z^T Hess J Z)^-1 Z^T of each atom, shape (n, D, D).
    """

    places: Array
    sides: IntArray
    value: float
    inverses: Array


class KinkedJko(SlidingCharacteristics):
    """Plain minimising movements of length `state.step` at most, of order 1; F falls by W2^2 / tau in each.

    Args:
        as for `SlidingCharacteristics`; without birth and death.
    """

    length: float = 0.01

    def with_step(self, length: float) -> KinkedJko:
        """The same scheme with steps of this length."""
        self.length = length
        return self

    def _advanced(self, state: State, until: float) -> State:
        panels, reach = self._panels(state), int(state.arrays["reach"][0])
        start, masses = panels.atoms
        sides = cast(IntArray, state.arrays["sides"])
        room = until - state.flow_time
        tau = room / np.ceil(room / self.length - 1e-9)
        try:
            images, gap = self._movement(start, masses, sides, tau)
        except ArithmeticError as problem:
            raise StepFailure(f"jko: {problem}", state.flow_time, "use a smaller {step}") from None
        time = until if tau >= room else state.flow_time + tau
        spent, before = state.arrays["energy"]
        moved = panels.with_positions(images.places)
        made = self._sided(time, state.step, moved, float(spent), images.sides, reach)
        # D of a convex energy falls along the step: the mean of its ends is right to the second order
        spent = spent + 0.5 * tau * (before + made.arrays["energy"][1])
        further = {
            "energy": np.array([spent, made.arrays["energy"][1]]),
            "gap": np.maximum(state.arrays["gap"], gap),
        }
        return replace(made, arrays={**made.arrays, **further})

    def _begun(self, panels: Panels, reach: int) -> State:
        begun = super()._begun(panels, reach)
        return replace(begun, arrays={**begun.arrays, "gap": np.zeros(1)})

    def observe(self, state: State) -> Observation:
        return replace(super().observe(state), residual=float(state.arrays["gap"][0]))

    def _movement(self, start: Array, masses: Array, sides: IntArray, tau: float) -> tuple[_Images, float]:
        """The minimiser and its duality gap, by Newton's method on the dual; raises ArithmeticError."""
        loss = self.objective.loss
        g = loss.gradient(self.objective.outputs(start, masses))
        found = self._images(start, start, sides, g, tau, masses)
        value = found.value - loss.conjugate(g)
        for _ in range(PASSES):
            outputs = self.objective.outputs(found.places, masses)
            residual = loss.mismatch(outputs, g)
            gap = loss.divergence(loss.conjugate_gradient(g), residual)
            if gap <= SOLVED**2 * loss.scale:
                return found, gap
            branch = self._features.on((found.sides == ABOVE).astype(np.int64))
            slopes = branch.values_and_gradients(found.places)[1]
            curvature = np.einsum("nmd,nde,nke,n->mk", slopes, found.inverses, slopes, masses, optimize=True)
            step = np.linalg.solve(loss.conjugate_hessian(g).dense() + curvature, residual)
            for halving in range(HALVINGS):
                trial = g + 0.5**halving * step
                conjugate = loss.conjugate(trial)
                if not np.isfinite(conjugate):
                    continue
                images = self._images(found.places, start, found.sides, trial, tau, masses)
                if images.value - conjugate >= value - 1e-15 * (1.0 + abs(value)):
                    break
            else:
                return found, gap
            settled = float(np.abs(trial - g).max()) <= 1e-15 * float(np.abs(g).max()) + 1e-300
            g, found, value = trial, images, images.value - conjugate
            if settled:
                return found, gap
        raise ArithmeticError("the dual is not solved")

    def _images(self, places: Array, start: Array, sides: IntArray, g: Array, tau: float, masses: Array) -> _Images:
        """Minimisers of J, descended to from `places` on these sides; raises ArithmeticError."""
        places, sides = places.copy(), sides.copy()
        for _ in range(ROUNDS):
            forces, hessians = self._slopes(places, start, sides, g, tau)
            projections = self._projections(sides)
            system = projections @ hessians @ projections + (np.eye(places.shape[1]) - projections)
            inverses = np.linalg.solve(system, projections)
            moves = self._root * np.einsum("nde,ne->nd", inverses, self._root * forces)
            share, plane = self._room(places, moves, sides)
            places = self._put(places + share[:, None] * moves, self._held(sides))
            rows = np.flatnonzero(share < 1.0)
            met: IntArray | None = plane[rows]
            if not len(rows):
                if np.abs(moves).max(initial=0.0) > SETTLED * (1.0 + np.abs(places).max(initial=0.0)):
                    continue
                rows = self._released(sides, forces, self.kinks.strengths(places, g))
                if not len(rows):
                    value = self._value(places, start, g, tau, masses)
                    return _Images(places, sides, value, self._root[:, None] * inverses * self._root)
                met = None
            sides = self._turned(rows, places, sides, start, g, tau, met)
        raise ArithmeticError("atoms find no minimiser among the kinks")

    def _room(self, places: Array, moves: Array, sides: IntArray) -> tuple[Array, IntArray]:
        """The share of each move after which an atom meets a kink, at most 1, and the kink, shape (n,) each."""
        sign = np.where(sides == ABOVE, 1.0, np.where(sides == BELOW, -1.0, 0.0)) * self._crossed
        heights, closing = np.maximum(sign * self.kinks.heights(places), 0.0), -sign * (moves @ self.kinks.normals.T)
        # what has come to rest meets nothing
        nearing = closing > SETTLED * self._size(places, 1.0)
        shares = np.where(nearing, heights / np.where(nearing, closing, 1.0), np.inf)
        return np.minimum(shares.min(axis=1), 1.0), shares.argmin(axis=1)

    def _value(self, places: Array, start: Array, g: Array, tau: float, masses: Array) -> float:
        """∫ J dmu."""
        way = ((places - start) ** 2 @ self.geometry.inertia) / (2.0 * tau)
        potential = self._features.contract(places, g)[0] + self._confinement.value(places)
        return float(masses @ (way + potential))

    def _slopes(self, places: Array, start: Array, sides: IntArray, g: Array, tau: float) -> tuple[Array, Array]:
        """-grad J below the kinks that are held, shape (n, D), and Hess J in the metric, shape (n, D, D)."""
        branch = self._features.on((sides == ABOVE).astype(np.int64))

        def slope(points: Array) -> Array:
            return np.asarray(branch.contract(points, g)[1] + self._confinement.gradient(points))

        inertia = self.geometry.inertia
        forces = -slope(places) - (places - start) * inertia / tau
        hessians = np.zeros((*places.shape, places.shape[1]))
        for axis in np.flatnonzero(self._root):
            shift = np.zeros(places.shape[1])
            shift[axis] = DIFFERENCE
            hessians[:, :, axis] = (slope(places + shift) - slope(places - shift)) / (2.0 * DIFFERENCE)
        scaled = self._root[:, None] * 0.5 * (hessians + hessians.transpose(0, 2, 1)) * self._root
        return forces, scaled + np.diag(np.where(self._root > 0.0, 1.0 / tau, 1.0))

    def _projections(self, sides: IntArray) -> Array:
        """On the motions that keep to kinks, in the metric, shape (n, D, D)."""
        held = self._held(sides)
        free = np.diag((self._root > 0.0).astype(float))
        projections = np.repeat(free[None], len(sides), axis=0)
        normals = self.kinks.normals[held.planes] * self._root * (held.planes >= 0)[:, :, None]
        pull = held.pull * self._root
        projections[held.rows] -= np.einsum("hrd,hre->hde", normals, pull)
        return projections

    def _released(self, sides: IntArray, forces: Array, strengths: Array) -> IntArray:
        """Atoms on kinks that a multiplier lets go of."""
        held = self._held(sides)
        if not len(held.rows):
            return held.rows
        rates = forces[held.rows] * self._root**2
        on = held.planes >= 0
        pull = np.einsum("hrd,hd->hr", held.pull, rates)
        own = np.where(on, np.take_along_axis(strengths[held.rows], np.maximum(held.planes, 0), axis=1), 0.0)
        size = LEFT * np.maximum(np.abs(pull), np.abs(own)).max(axis=1, keepdims=True) + 1e-15
        out = (on & ((pull < -size) | (pull > own + size))).any(axis=1) & ~held.corner
        for i in np.flatnonzero(held.corner):
            out[i] = not self._rests(held.planes[i][on[i]], rates[i], strengths[held.rows[i]])
        return np.asarray(held.rows[out])

    def _turned(
        self,
        rows: IntArray,
        places: Array,
        sides: IntArray,
        start: Array,
        g: Array,
        tau: float,
        met: IntArray | None,
    ) -> IntArray:
        """Sides of the atoms of these rows where the model of J about the kinks that they touch is least."""
        heights = np.abs(self.kinks.heights(places[rows]))
        touching = ((heights <= self._size(places[rows], TOUCHING)) | (sides[rows] == HELD)) & self._crossed
        if met is not None:
            touching[np.arange(len(rows)), met] = True
        below = sides.copy()
        below[rows] = np.where(touching, BELOW, sides[rows])
        forces, hessians = self._slopes(places, start, below, g, tau)
        strengths, turned = self.kinks.strengths(places, g), sides.copy()
        for row, planes in zip(rows, map(np.flatnonzero, touching), strict=True):
            # in the metric of Hess J steepest descent is Newton's step
            factor = np.linalg.inv(np.linalg.cholesky(hessians[row])).T
            normals = (self.kinks.normals[planes] * self._root) @ factor
            turned[row, planes] = contact((self._root * forces[row]) @ factor, normals, strengths[row, planes]).sides
        return turned
