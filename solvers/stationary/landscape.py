"""Stationary atomic laws of the noise-free flow: the landscape G = Psi + lambda |z|^2 / 2 at a law, and its classes.

A law sum_i p_i delta_{z_i} is stationary when grad G(z_i) = 0 at every atom; at r_j = 0 the derivative is one-sided.
With H_i = Hess G(z_i) and J_i = grad Phi(z_i), perturbations of the atoms obey, in the coordinates that may move,

    splitting:  d delta/ds = -H_i delta                      (a part of atom i against the rest of it),
    drift:      d delta_i/ds = -H_i delta_i - sum_j p_j J_i^T L'' J_j delta_j       (all of every atom),

the second similar to the symmetric matrix delta_ij H_i + (p_i p_j)^(1/2) J_i^T L'' J_j. J_i is one-sided where all
radii of an atom vanish: a kink of the unit at 0 makes it the slope of the cone Phi(r) ~ |r|. Birth and death at rate
alpha adds the masses: with delta p_i = (alpha p_i)^(1/2) m_i, m orthogonal to p^(1/2), the matrix becomes

    diag(H_i, 0) + K^T L'' K,    K = (p_i^(1/2) J_i, (alpha p_i)^(1/2) (Phi(z_i) - Phi rho)).

S. Mei, A. Montanari, P.-M. Nguyen, "A mean field view of the landscape of two-layer neural networks", PNAS 115 (2018),
theorem 6, for one atom. Rates are per unit of flow time s = ∫xi dt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from ..arrays import Array
from ..flow.confinement import Confinement
from ..flow.flow import Flow
from ..objective.objective import Objective
from ..space.geometry import Geometry
from ..space.measure import Atoms

DIFFERENCE = np.array([4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0])
"""Weights of (f(kh) - f(-kh)) / h, k = 1 ... 4: the eighth-order central difference."""
FIRST_STEP = 0.08
"""Largest difference step over the distance from the origin; it is halved while the result improves."""
HALVINGS = 6
CONE = 1e-9
"""Slope at the origin above which it counts as a cone."""
MIXED_STEP = 1e-2
MIXED = 1e-8
"""Change of the slope at the origin with another coordinate below which there is no kink."""
INWARD = ((1e-4, 3.0), (2e-4, -3.0), (3e-4, 1.0))
"""Distances from the origin and weights of values there: f(0) up to the third derivative of f."""
KINK = 1e-12
"""Square of the slope of Phi at the origin, in the norm of L'', below which it is even there."""
LASTING = 0.25
"""Share of the square of a slope at the first distance from the origin that a kink keeps there."""
CHUNK = 4_000_000
"""Most entries of a block of features."""


class Interaction(NamedTuple):
    """U = Phi . L'' Phi between the K atoms of a law: U(z_i, z_j), d_1 U(z_i, z_j) and d_1 d_2 U(z_i, z_j).

    Shapes (K, K), (K, D, K) and (K, D, K, D); 0 along a radius that vanishes, in which U is even.
    """

    values: Array
    slopes: Array
    mixed: Array


@dataclass(frozen=True)
class Landscape:
    """The potential G = Psi + V of laws, with derivatives.

    What `outputs` returns stands for the law in the other methods.

    Attributes:
        objective: feature map and loss.
        geometry: coordinates; G is even in every radius, up to a cone where all radii vanish.
        flow: confinement, birth and death.
    """

    objective: Objective
    geometry: Geometry
    flow: Flow

    @cached_property
    def confinement(self) -> Confinement:
        """V."""
        return self.flow.confinement(self.geometry)

    @property
    def radii(self) -> NDArray[np.bool_]:
        """Which coordinates are radii, shape (D,)."""
        return self.geometry.even

    def outputs(self, law: Atoms) -> Array:
        """Phi rho, shape (M,)."""
        return self.objective.outputs(law.points, law.weights)

    def risk(self, outputs: Array) -> float:
        """R of the law with these outputs."""
        return self.objective.risk(outputs)

    def energy(self, outputs: Array) -> float:
        """2 L of the law with these outputs."""
        return self.objective.energy(outputs)

    def free_energy(self, law: Atoms) -> float:
        """F = 2 L + 2 ∫V drho."""
        return self.energy(self.outputs(law)) + self.confinement.energy(law.points, law.weights)

    def potential(self, points: Array, outputs: Array) -> tuple[Array, Array]:
        """G, shape (n,), and its gradient, shape (n, D), both continued evenly to negative radii."""
        flipped = self.radii & (points < 0.0)
        value, gradient = self._psi(np.where(flipped, -points, points), outputs)
        signs = np.where(flipped, -1.0, 1.0)
        return value + self.confinement.value(points), signs * gradient + self.confinement.gradient(points)

    def _psi(self, points: Array, outputs: Array) -> tuple[Array, Array]:
        """Psi, shape (n,), and its gradient, shape (n, D), at points of the space."""
        return self.objective.features.contract(points, self.objective.loss_gradient(outputs))

    def own_gradient(self, points: Array) -> Array:
        """grad G(z; delta_z) at each point, shape (n, D): half the gradient of z -> F(delta_z)."""
        parts = max(1, len(points) * self.objective.features.rank * points.shape[1] // CHUNK)
        found = []
        for part in np.array_split(points, parts):
            values, gradients = self.objective.features.values_and_gradients(part)
            slopes = self.objective.loss_gradient(values)
            found.append(np.einsum("nm,nmd->nd", slopes, gradients) + self.confinement.gradient(part))
        return np.concatenate(found)

    def hessian(self, point: Array, outputs: Array) -> tuple[Array, float]:
        """Hess G at one point, shape (D, D), and an estimate of its error.

        Eighth-order central differences of the gradient, halving the step while two of them come nearer. Mixed
        derivatives across a radius that vanishes are 0, for G is even there; `mixed_slopes` has them at a kink.
        """
        size = float(np.linalg.norm(point[self.radii]))
        step = FIRST_STEP * (size if size > 0.0 else 1.0)
        before = self._differences(point, outputs, step)
        best, error = before, np.inf
        for _ in range(HALVINGS):
            step *= 0.5
            after = self._differences(point, outputs, step)
            change = float(np.max(np.abs(after - before)))
            if change < error:
                best, error = after, change
            before = after
        held = self.radii & (point == 0.0)
        best = np.where(held[:, None] != held, 0.0, best)
        return 0.5 * (best + best.T), error

    def mixed_slopes(self, point: Array, outputs: Array) -> tuple[Array, Array]:
        """Where all radii vanish: how the slope of G along them changes with the other coordinates.

        A unit with a kink at 0 has G ~ -c(u) a |r| for radii r = |r| u: no cone at a = 0, but a mixed derivative.

        Returns:
            The direction u in which that is largest, shape (D,), and d/dz_k of the slope along u, shape (D,).
        """
        others = np.flatnonzero(~self.radii)
        directions = self._directions()
        found = np.zeros((len(directions), point.size))
        for axis in others:
            shift = MIXED_STEP * np.eye(point.size)[axis]
            ahead, behind = (self._slopes(point + sign * shift, outputs, directions) for sign in (1.0, -1.0))
            found[:, axis] = (ahead - behind) / (2.0 * MIXED_STEP)
        best = int(np.argmax((found**2).sum(axis=1)))
        return directions[best], found[best]

    def _differences(self, point: Array, outputs: Array, step: float) -> Array:
        dimension = point.size
        shifts = step * np.arange(1, 5)
        offsets = np.concatenate([shifts, -shifts])[:, None, None] * np.eye(dimension)
        gradients = self.potential((point + offsets).reshape(-1, dimension), outputs)[1]
        sides = gradients.reshape(2, 4, dimension, dimension)
        return np.asarray(np.einsum("k,kab->ab", DIFFERENCE / step, sides[0] - sides[1]))

    def interaction(self, law: Atoms) -> Interaction:
        """U between the atoms, 0 across a radius that vanishes, where Phi is even."""
        values, gradients = self.objective.features.values_and_gradients(law.points)
        held = self.radii & (law.points == 0.0)
        gradients = np.where(held[:, None, :], 0.0, gradients)
        hessian = self.objective.loss.hessian(law.weights @ values)
        weighted, moved = values @ hessian, hessian @ gradients
        return Interaction(
            weighted @ values.T,
            np.einsum("imd,jm->idj", gradients, weighted),
            np.einsum("imd,jme->idje", gradients, moved, optimize=True),
        )

    def own_mixed(self, point: Array, outputs: Array, directions: Array) -> Array:
        """One-sided d_1 d_2 U(z, z) of a point along directions, shape (k,): 0 at the origin where Phi is even."""
        values_and_gradients, hessian = (
            self.objective.features.values_and_gradients,
            self.objective.loss.hessian(outputs),
        )

        def slopes(reach: float) -> Array:
            gradients = values_and_gradients(point + reach * directions)[1]
            return np.asarray(np.einsum("kmd,kd->km", gradients, directions))

        found, near = (np.sum((each @ hessian) * each, axis=1) for each in (continued(slopes), slopes(INWARD[0][0])))
        # slopes that fade towards the origin are those of a cusp |r|^k, k > 1, which no finite rank follows there
        return np.where(found > LASTING * near, found, 0.0)

    def slopes_at_origin(self, point: Array, outputs: Array) -> tuple[float, float]:
        """Least and largest one-sided slope of G from a point whose radii all vanish, over the directions between them.

        A knot of the unit at 0 gives G a cone there; without one the slopes are 0.
        """
        slopes = self._slopes(point, outputs, self._directions())
        return float(slopes.min()), float(slopes.max())

    def _directions(self) -> Array:
        """Unit vectors between the radii, shape (k, D)."""
        axes = np.flatnonzero(self.radii)
        if axes.size == 1:
            return np.eye(len(self.radii))[axes]
        directions = np.zeros((65 ** min(axes.size - 1, 2), len(self.radii)))
        directions[:, axes] = _orthant(axes.size, len(directions))
        return directions

    def _slopes(self, point: Array, outputs: Array, directions: Array) -> Array:
        """One-sided slopes of G from a point along directions, shape (k,)."""
        return continued(
            lambda reach: np.einsum("nd,nd->n", self.potential(point + reach * directions, outputs)[1], directions)
        )


def continued(slopes: Callable[[float], Array]) -> Array:
    """What is smooth at a distance from the origin, continued to it up to the third order."""
    return np.asarray(sum(weight * slopes(reach) for reach, weight in INWARD))


def _orthant(axes: int, count: int) -> Array:
    """Unit vectors with coordinates >= 0, the axes among them, shape (count, axes)."""
    if axes == 2:
        angle = np.linspace(0.0, 0.5 * np.pi, count)
        return np.asarray(np.abs(np.column_stack([np.cos(angle), np.sin(angle)])))
    drawn = np.abs(np.random.default_rng(0).normal(size=(count, axes)))
    drawn[:axes] = np.eye(axes)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1)[:, None])


@dataclass(frozen=True)
class Mode:
    """An eigenvector of the linearised flow.

    Attributes:
        eigenvalue: of the Hessian block times the mobilities: the perturbation grows like exp(-eigenvalue s).
        vector: displacement per atom, shape (n, D); splitting modes have one row that is not 0.
        atom: the atom that splits, None for a drift.
    """

    eigenvalue: float
    vector: Array
    atom: int | None


@dataclass(frozen=True)
class Stability:
    """The linearised flow at a stationary law.

    Attributes:
        splitting: modes of each atom, by atom and eigenvalue.
        drift: modes of all atoms together (and of the masses, with birth and death), by eigenvalue.
        cones: per atom, the least one-sided slope of G where a cone at the origin holds the atom; NaN elsewhere.
        residual: largest |dG/dz| over the coordinates that may move.
        error: estimated error of the eigenvalues.
    """

    splitting: tuple[Mode, ...]
    drift: tuple[Mode, ...]
    cones: Array
    residual: float
    error: float


def stability(landscape: Landscape, law: Atoms) -> Stability:
    """Eigenvalues of the splitting and drift blocks at an atomic law."""
    outputs = landscape.outputs(law)
    blocks = [
        _block(landscape, point, mass, outputs) for point, mass in zip(law.points, law.weights.tolist(), strict=True)
    ]
    gradient = landscape.potential(law.points, outputs)[1]
    held = landscape.radii & (law.points == 0.0)
    moved = ~held & np.array(landscape.geometry.mobile)
    residual = float(np.max(np.abs(gradient[moved]), initial=0.0))
    cones = np.array([block.cone for block in blocks])
    error = max((block.error for block in blocks), default=0.0)
    return Stability(_splitting_modes(blocks), _drift_modes(landscape, law, blocks), cones, residual, error)


@dataclass(frozen=True)
class _Block:
    """Hess G at one atom in the directions that it may take.

    Attributes:
        basis: those directions, of the length of the square root of their mobility, shape (D, m).
        matrix: Hess G between them, shape (m, m).
        error: estimate of its error.
        cone: the least slope where a cone at the origin holds the radii, NaN elsewhere.
        inward: the direction from the origin in which Phi has a kink there, shape (D,); 0 elsewhere.
        apart: p d_1 d_2 U along those of `basis` that meet nothing but themselves; NaN for the others, shape (m,).
    """

    basis: Array
    matrix: Array
    error: float
    cone: float
    inward: Array
    apart: Array


def _block(landscape: Landscape, point: Array, mass: float, outputs: Array) -> _Block:
    mobile = np.array(landscape.geometry.mobile)
    radii = landscape.radii & mobile
    basis, others, cone = np.eye(point.size)[:, mobile], np.eye(point.size)[:, mobile & ~radii], np.nan
    direction, mixed = np.zeros(point.size), np.zeros(point.size)
    at_origin = bool(radii.any() and np.all(point[landscape.radii] == 0.0))
    if at_origin:
        low, high = landscape.slopes_at_origin(point, outputs)
        if max(abs(low), abs(high)) > CONE:
            cone, basis, at_origin = low, others, False
        else:
            direction, mixed = landscape.mixed_slopes(point, outputs)
            mixed = np.where(mobile, mixed, 0.0)
            if np.max(np.abs(mixed)) > MIXED:
                # between several radii G is not quadratic: the direction that couples most stands for them
                basis = np.column_stack([direction, others])
            else:
                mixed = np.zeros(point.size)
    if not basis.shape[1]:
        return _Block(basis, np.zeros((0, 0)), 0.0, cone, 0.0 * point, np.zeros(0))
    matrix, error = landscape.hessian(point, outputs)
    matrix = matrix + np.outer(direction, mixed) + np.outer(mixed, direction)
    matrix = basis.T @ matrix @ basis
    inward, apart = np.zeros(point.size), np.full(len(matrix), np.nan)
    if at_origin:
        inward, apart = _inward(landscape, point, mass, outputs, basis, np.diag(matrix))
    # in coordinates over the square roots of their mobilities; radii between which a direction lies have one
    roots = np.sqrt((basis**2).T @ landscape.geometry.mobility)
    matrix = roots[:, None] * matrix * roots
    return _Block(basis * roots, matrix, error * float(roots.max()) ** 2, cone, inward, apart * roots**2)


def _inward(
    landscape: Landscape, point: Array, mass: float, outputs: Array, basis: Array, bends: Array
) -> tuple[Array, Array]:
    """`inward` and `apart` of an atom at the origin.

    Phi ~ |r| times a function of the direction is not linear between radii. The flow keeps every axis: along each the
    drift has a rate of its own, and the slowest of them meets the other atoms.
    """
    along = np.flatnonzero(np.any(basis[landscape.radii] != 0.0, axis=0))
    own = mass * landscape.own_mixed(point, outputs, basis[:, along].T)
    inward, apart = np.zeros(point.size), np.full(basis.shape[1], np.nan)
    if np.max(own) > mass * KINK:
        apart[along] = own
        first = along[np.argmin(bends[along] + own)]
        inward, apart[first] = basis[:, first], np.nan
    return inward, apart


def _splitting_modes(blocks: list[_Block]) -> tuple[Mode, ...]:
    modes = []
    for i, block in enumerate(blocks):
        values, vectors = np.linalg.eigh(block.matrix)
        for value, vector in zip(values, vectors.T, strict=True):
            whole = np.zeros((len(blocks), len(block.basis)))
            whole[i] = block.basis @ vector
            modes.append(Mode(float(value), whole, i))
    return tuple(modes)


def _one_sided(landscape: Landscape, law: Atoms, inward: Array) -> Interaction:
    """The interaction of a law, continued to the origin along `inward`, shape (K, D), by the atoms that are there."""
    if not inward.any():
        return landscape.interaction(law)
    found = [landscape.interaction(Atoms(law.points + reach * inward, law.weights)) for reach, _ in INWARD]
    weights = [weight for _, weight in INWARD]
    return Interaction(*(np.tensordot(weights, parts, 1) for parts in zip(*found, strict=True)))


def _drift_modes(landscape: Landscape, law: Atoms, blocks: list[_Block]) -> tuple[Mode, ...]:
    count, dimension = law.points.shape
    between = _one_sided(landscape, law, np.array([block.inward for block in blocks]))
    roots = np.sqrt(law.weights)
    basis = block_diag(*(block.basis for block in blocks)).reshape(count * dimension, -1)
    apart = np.concatenate([block.apart for block in blocks])
    moves = np.repeat(roots, dimension)[:, None] * np.where(np.isnan(apart), basis, 0.0)
    places = basis.shape[1]
    matrix = block_diag(*(block.matrix for block in blocks)).reshape(places, places)
    matrix = matrix + np.diag(np.nan_to_num(apart)) + moves.T @ between.mixed.reshape(count * dimension, -1) @ moves
    rate = landscape.flow.fisher_rao_rate
    if rate > 0.0 and count > 1:
        # an orthonormal basis of the masses' perturbations that keep their sum
        shifts = np.linalg.qr(np.column_stack([roots, np.eye(count)[:, 1:]]))[0][:, 1:]
        grown = np.sqrt(rate) * roots[:, None] * shifts
        slopes = moves.T @ between.slopes.reshape(count * dimension, -1) @ grown
        matrix = np.block([[matrix, slopes], [slopes.T, grown.T @ between.values @ grown]])
    if not matrix.size:
        return ()
    eigenvalues, vectors = np.linalg.eigh(matrix)
    modes = []
    for value, vector in zip(eigenvalues, vectors.T, strict=True):
        whole = (basis @ vector[:places]).reshape(count, dimension)
        modes.append(Mode(float(value), whole / np.sqrt(law.weights)[:, None], None))
    return tuple(modes)
