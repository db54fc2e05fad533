"""One noise-free minimising movement by its finite-dimensional dual.

    min_rho  W2^2(rho, mu) / (2 tau) + L(Phi rho) + ∫V drho
      = max_g  D(g),    D(g) = -L*(g) + ∫ min_z { |z - x|^2 / (2 tau) + g . Phi(z) + V(z) } mu(dx),

because L is convex and sees rho only through the M numbers Phi rho. D is concave; rho is the image of mu under the
proximal map of the best g, for which

    grad D = Phi rho - grad L*(g) = 0,    Hess D = -Hess L*(g) - ∫ grad Phi B^-1 grad Phi^T dmu,
    B = Hess(g . Phi + V) + 1/tau.

With mobilities |z - x|^2 is sum_a (z_a - x_a)^2 / m_a, and 1/tau the matrix 1/(tau m_a), here and in W2.

For any g and any map T the gap between the movement's energy of T # mu and D(g) is
L(q) + L*(g) - g . q + ∫(J(T(x)) - min J) dmu, q = Phi T # mu: both are >= 0 and certify the step. For the square loss
the first is (1/2) sum omega (grad D)^2; in general it is bounded by (grad L(q) - g) . grad D.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from scipy import linalg

from ...arrays import Array
from ...flow.confinement import Confinement
from ...objective.objective import Objective
from ...objective.table.feature_table import FeatureTable
from ...space.geometry import Geometry
from ..prox.curvatures import Curvatures
from ..prox.global_kernels import shared_fractions
from ..prox.kernels import IntArray
from .maps import APART, LOCAL_PASSES, MOVE, RESIDUAL, SUBOPTIMALITY, Images, ProximalMaps

CONVEX = 0.9
"""Largest tau times (lowest curvature of the potential): below, J is convex and a local minimiser is the global one."""
NEGLIGIBLE = 1e-12
"""Mass of an atom, relative to the mean, below which the first guess of g does without it."""
SAMPLE = 2048
"""Most atoms from which the first curvature of Newton's method is formed."""
GLOBAL_PASSES = 80


class NoConvergence(ArithmeticError):
    """The dual was not solved to tolerance."""


@dataclass(frozen=True)
class Movement:
    """The solution of one minimising movement.

    Attributes:
        places: prox(x), shape (n, D).
        outputs: Phi rho, shape (M,).
        dual: g, shape (M,).
        gap: duality gap, bounding the energy above the minimum.
        passes: evaluations of the proximal map.
        curvature: approximation of -Hess D, kept up by the passes, shape (M, M); empty where none was.
        rivals: other minimisers of tied atoms, shape (k, D); their atoms `tied`, shape (k,), and the fractions of these
            atoms that belong there, shape (k,). The outputs count them.
    """

    places: Array
    outputs: Array
    dual: Array
    gap: float
    passes: int
    curvature: Array = field(default_factory=lambda: np.empty((0, 0)))
    rivals: Array = field(default_factory=lambda: np.empty((0, 0)))
    tied: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    fractions: Array = field(default_factory=lambda: np.empty(0))


class DualStep:
    """Solves minimising movements of one objective on one table.

    Args:
        objective: the loss.
        table: its features on a box; laws must stay in it.
        geometry: bounds and mobility.
        confinement: V.
    """

    def __init__(self, objective: Objective, table: FeatureTable, geometry: Geometry, confinement: Confinement) -> None:
        self.objective = objective
        self.table = table
        self.maps = ProximalMaps(table, geometry, confinement)
        self.box = table.box
        self._flat = table._flat
        mobile = geometry.mobility > 0.0
        ridges = np.broadcast_to(confinement.ridge, mobile.shape)[mobile] * geometry.mobility[mobile]
        self._convexity = float(ridges.min(initial=np.inf))
        self._curvatures = Curvatures.of(table.edges, table.degree, geometry.mobility)
        self._features_curvature: Array | None = None
        self._reference: tuple[Array, float] | None = None

    def local(
        self, centres: Array, masses: Array, tau: float, places: Array, dual: Array, curvature: Array
    ) -> Movement:
        """The movement by simultaneous Newton steps in g and in the atoms, from a guess of both.

        Args:
            centres: x, shape (n, D).
            masses: shape (n,).
            places, dual: first guess.
            curvature: approximation of -Hess D, shape (M, M).

        Raises:
            NoConvergence: where J is not convex at an atom or the passes do not settle.
        """
        loss = self.objective.loss
        settled = MOVE * float(np.max(self.box[1] - self.box[0]))
        g, before, step = dual, None, None
        for passes in range(1, LOCAL_PASSES + 1):
            places, outputs, totals, _ = self.maps.newton(places, centres, masses, tau, g)
            residual = loss.mismatch(outputs, g)
            if not np.isfinite(residual).all() or totals.saddles:
                raise NoConvergence("the movement's energy is not convex at an atom")
            if before is not None and step is not None:
                curvature = _updated(curvature, step, before - residual)
            solved = float(loss.metric @ residual**2) <= RESIDUAL**2
            if solved and totals.largest <= settled and totals.gain <= SUBOPTIMALITY * RESIDUAL:
                gap = loss.divergence(loss.conjugate_gradient(g), residual) + totals.gain
                return Movement(places, outputs, g, gap, passes, curvature)
            step, before = _solved(curvature, residual), residual
            g = g + step
        raise NoConvergence(f"the dual is not solved in {LOCAL_PASSES} passes")

    def globally(self, centres: Array, masses: Array, tau: float, places: Array, dual: Array) -> Movement:
        """The movement by damped Newton steps on D with global proximal maps; atoms may be shared by tied minimisers.

        Local steps come first, from the best nodes and with the atoms that carry the mass.

        Raises:
            NoConvergence: where the gap does not fall to rounding.
        """
        scale = self.objective.loss.scale + 1e-300
        dual = self._locally(centres, masses, tau, dual)
        g, target = dual, dual
        best: Movement | None = None
        value = -np.inf
        rounding = 1e-13 * scale
        for passes in range(1, GLOBAL_PASSES + 1):
            found = self.maps.images(places, centres, masses, tau, target, best is not None)
            reached = found.energy - self.objective.loss.conjugate(target)
            if not (reached >= value - rounding) and float(np.abs(target - g).max()) > 1e-14:
                target = 0.5 * (g + target)
                continue
            g, value, places = target, reached, found.places
            movement, direction = self._shared(centres, masses, tau, g, found, passes)
            if best is None or movement.gap < best.gap:
                best = movement
            if movement.gap <= RESIDUAL**2 * scale or float(np.abs(direction).max()) < 1e-15:
                break
            target = g + direction
        if best is None or not (best.gap <= 1e-9 * scale):
            raise NoConvergence("the dual is not solved with global proximal maps")
        return best

    def _locally(self, centres: Array, masses: Array, tau: float, dual: Array) -> Array:
        """g by `local`, from the best nodes and their curvature over a sample; `dual` where that does not settle."""
        heavy = np.flatnonzero(masses > NEGLIGIBLE * masses.sum() / len(masses))
        centres, masses = centres[heavy], masses[heavy]
        places = self.maps.at_best_nodes(centres, self.maps.best_nodes(dual, tau))
        try:
            curvature = self.sampled_curvature(centres, masses, tau, places, dual)
            return self.local(centres, masses, tau, places, dual, curvature).dual
        except NoConvergence:
            return dual

    def curvature(self, centres: Array, masses: Array, tau: float, places: Array, dual: Array) -> Array:
        """-Hess D at g = dual, with the atoms at `places`, shape (M, M)."""
        _, _, _, inverses = self.maps.newton(places, centres, masses, tau, dual, with_inverses=True)
        _, gradients = self.table.values_and_gradients(places)
        carried = np.einsum("nmd,nde,n->nme", gradients, inverses, masses)
        rank = self.table.rank
        product = carried.transpose(1, 0, 2).reshape(rank, -1) @ gradients.transpose(1, 0, 2).reshape(rank, -1).T
        return np.asarray(self.objective.loss.conjugate_hessian(dual).dense() + 0.5 * (product + product.T))

    def sampled_curvature(self, centres: Array, masses: Array, tau: float, places: Array, dual: Array) -> Array:
        """`curvature` from about SAMPLE of the atoms, which stand for all: the passes' secants do the rest."""
        sample = slice(None, None, -(-len(centres) // SAMPLE))
        shares = masses[sample] * (masses.sum() / masses[sample].sum())
        return self.curvature(
            np.ascontiguousarray(centres[sample]), shares, tau, np.ascontiguousarray(places[sample]), dual
        )

    def convex(self, tau: float, dual: Array) -> bool:
        """Whether J is convex on the whole box, so that a local minimiser is the global one.

        The lowest curvature of g . Phi is measured at all nodes of all cells; in between g's it is bounded by the
        largest curvature of every feature.
        """
        limit = CONVEX / tau + self._convexity
        if self._reference is not None and self._features_curvature is not None:
            reference, lowest = self._reference
            drift = float(np.abs(dual - reference) @ self._features_curvature)
            if lowest + drift <= limit or not (lowest - drift <= limit):
                return lowest + drift <= limit
        if self._features_curvature is None:
            self._features_curvature = self._curvatures.largest(self._flat)
        self._reference = dual.copy(), -self._curvatures.lowest(self._flat @ dual)
        return self._reference[1] <= limit

    def confirmed(self, centres: Array, tau: float, movement: Movement) -> bool:
        """Whether no atom of a local movement has a lower minimiser elsewhere on the table.

        The lower envelope over the nodes names the basin of every centre; where that is not the atom's own, the best
        node's basin is descended and compared.
        """
        best = self.maps.best_nodes(movement.dual, tau)
        doubtful = self.maps.doubtful(movement.places, centres, best)
        if not doubtful.any():
            return True
        moved = self.maps.searched(movement.places[doubtful], centres[doubtful], tau, movement.dual, best)[0]
        apart = np.abs(moved - movement.places[doubtful]) * self.maps.moves
        return bool((apart <= APART * (self.box[1] - self.box[0])).all())

    def _shared(
        self, centres: Array, masses: Array, tau: float, g: Array, images: Images, passes: int
    ) -> tuple[Movement, Array]:
        """The movement at g with tied atoms shared as the dual asks, and the Newton direction of g."""
        loss = self.objective.loss
        moved, outputs, rivals = images.places, images.outputs, images.rivals
        own, residual = loss.conjugate_gradient(g), loss.mismatch(outputs, g)
        tied = np.flatnonzero(np.isfinite(images.rival_values))
        gap = loss.divergence(own, residual) + images.suboptimality
        if not tied.size and float(loss.metric @ residual**2) <= RESIDUAL**2:
            return Movement(moved, outputs, g, gap, passes), np.zeros(len(g))
        inverse = linalg.inv(self.curvature(centres, masses, tau, moved, g))
        jumps = masses[tied, None] * (self.table.values(rivals[tied]) - self.table.values(moved[tied]))
        costs = masses[tied] * (images.rival_values[tied] - images.values[tied])
        near = costs <= 2.0 * np.abs(jumps @ (inverse @ residual)) + 1e-14
        tied, jumps, costs = tied[near], np.ascontiguousarray(jumps[near]), costs[near]
        fractions = np.zeros(len(tied))
        shared_fractions(residual, jumps, inverse, costs, fractions)
        residual = residual + fractions @ jumps
        gap = loss.divergence(own, residual) + float(fractions @ costs) + images.suboptimality
        kept = fractions > 0.0
        movement = Movement(
            moved,
            outputs + fractions @ jumps,
            g,
            gap,
            passes,
            rivals=rivals[tied[kept]],
            tied=tied[kept],
            fractions=fractions[kept],
        )
        return movement, inverse @ residual


def _solved(curvature: Array, residual: Array) -> Array:
    """curvature^-1 residual; NoConvergence where that is lost to rounding."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", linalg.LinAlgWarning)
        try:
            return np.asarray(linalg.solve(curvature, residual, assume_a="sym"))
        except (linalg.LinAlgError, linalg.LinAlgWarning):
            raise NoConvergence("the curvature of the dual is singular to rounding") from None


def _updated(curvature: Array, step: Array, change: Array) -> Array:
    """Symmetric rank-one update of `curvature` so that curvature @ step = change; unchanged where it is unsafe."""
    miss = change - curvature @ step
    scale = float(miss @ step)
    if not (abs(scale) > 1e-8 * float(np.linalg.norm(miss) * np.linalg.norm(step))):
        return curvature
    updated = curvature + np.outer(miss, miss) / scale
    return updated if np.linalg.eigvalsh(updated)[0] > 0.0 else curvature
