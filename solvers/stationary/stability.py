"""How atomic laws that are stationary under the noise-free flow answer to perturbations.

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

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from ..arrays import Array
from ..space.measure import Atoms
from .landscape import INWARD, Interaction, Landscape

CONE = 1e-9
"""Slope at the origin above which it counts as a cone."""
MIXED = 1e-8
"""Change of the slope at the origin with another coordinate below which there is no kink."""
KINK = 1e-12
"""Square of the slope of Phi at the origin, in the norm of L'', below which it is even there."""


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
