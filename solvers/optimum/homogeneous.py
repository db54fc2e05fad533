"""The optimum of 1-homogeneous units with kinks through the origin, under a ridge on all their parameters.

Where a unit a phi(w) is homogeneous in a and in w, ridge |z|^2 is least at |a| = |w|, and

    min_rho 2 L(Phi rho) + lambda ∫|z|^2 drho  =  min_m 2 L(∫ phi dm) + 2 lambda |m|(sphere)

over signed measures on the sphere of directions. The kinks cut the sphere into cells on which phi is linear: one
vector for each cell and sign is enough, of which the minimum of L + lambda sum |v_j| is a finite second-order cone
program. A measure is optimal iff h(u) = grad L . phi(u) lies within [-lambda, lambda] everywhere; its extremes lie at
the gradients of cells or of their faces, all of which are looked at. So atoms are added where h is beyond and moved by
Newton's method within their cells, until none is; in any case

    F >= -2 L*(theta grad L),    theta = min(1, lambda / sup |h|).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..objective.kinks import Kinked
from ..objective.losses.interface import least
from ..objective.objective import Objective
from .fan import Flat, flats
from .weights import simplex_weights

ADDED = 20
"""Atoms that a round may add."""
ROUNDS = 200
STEPS = 60
BEYOND = 1e-13
"""Excess of |h| over lambda, relative to it, that is rounding."""
NEGLIGIBLE = 1e-14
"""Size of an atom, relative to all, below which it is dropped."""
ON_PLANE = 1e-13
SEED = 1e-100
"""Size of an atom that is yet to be weighed."""


@dataclass(frozen=True)
class _Atom:
    """A vector in the closed cone of a cell, the cell's signs, and the sign of the coefficient."""

    vector: Array
    signs: Array
    sign: float


@dataclass(frozen=True)
class SignedAtoms:
    """The optimal measure.

    Attributes:
        vectors: c u, shape (J, D), c > 0 the mass and u the direction.
        signs: +-1, shape (J,).
        outputs: shape (M,).
        energy: F.
        lower_bound: no measure has less.
        excess: sup |h| / lambda.
    """

    vectors: Array
    signs: Array
    outputs: Array
    energy: float
    lower_bound: float
    excess: float


def homogeneous_optimum(objective: Objective, features: Kinked, strength: float) -> SignedAtoms:
    """The minimiser of 2 L + 2 lambda |m|, lambda the strength, of features that are linear between their kinks.

    Args:
        objective: the loss; its features are not looked at.
        features: phi, without the coefficient.
    """
    return _Program(objective, features, strength).solved()


class _Program:
    def __init__(self, objective: Objective, features: Kinked, strength: float) -> None:
        self.loss, self.features, self.strength = objective.loss, features, strength
        kinks = features.kinks
        assert kinks is not None
        self.normals = kinks.normals
        span = np.linalg.svd(kinks.normals, full_matrices=False)
        self.span = span[2][span[1] > 1e-10 * span[1][0]].T
        self.flats = [Flat(self.span @ flat.basis, flat.signs) for flat in flats(self.normals @ self.span)]
        # TV is at most that by which F(0) exceeds the least 2 L
        self.most = max((2.0 * self.loss.value(self._nothing) - least(self.loss)) / (2.0 * strength), 1e-300)

    @property
    def _nothing(self) -> Array:
        return np.zeros(self.features.rank)

    def solved(self) -> SignedAtoms:
        atoms: list[_Atom] = []
        best = self._judged(atoms)[0]
        for _ in range(ROUNDS):
            found, extremes = self._judged(atoms)
            best = found if found.energy <= best.energy or found.excess < best.excess else best
            if found.excess <= 1.0 + BEYOND or found.energy - found.lower_bound <= BEYOND * found.energy:
                break
            atoms = self._moved(self._merged(self._weighted([*atoms, *extremes])))
        return best

    def _judged(self, atoms: list[_Atom]) -> tuple[SignedAtoms, list[_Atom]]:
        """The measure with its certificate, and where h lies farthest beyond lambda."""
        outputs = self._outputs(atoms)
        gradient = self.loss.gradient(outputs)
        extremes = [found for flat in self.flats for found in self._extremes(flat, gradient)]
        extremes.sort(key=lambda pair: -pair[0])
        sup = extremes[0][0] if extremes else 0.0
        theta = min(1.0, self.strength / sup) if sup > 0.0 else 1.0
        sizes = [float(np.linalg.norm(atom.vector)) for atom in atoms]
        energy = 2.0 * self.loss.value(outputs) + 2.0 * self.strength * sum(sizes)
        dimension = self.normals.shape[1]
        found = SignedAtoms(
            vectors=np.array([atom.vector for atom in atoms]).reshape(-1, dimension),
            signs=np.array([atom.sign for atom in atoms]),
            outputs=outputs,
            energy=energy,
            lower_bound=-2.0 * self.loss.conjugate(theta * gradient),
            excess=sup / self.strength,
        )
        beyond = [atom for value, atom in extremes if value > self.strength]
        return found, beyond[:ADDED]

    def _extremes(self, flat: Flat, gradient: Array) -> list[tuple[float, _Atom]]:
        """|h| and an atom at the gradient of every cell of a flat, and opposite to it."""
        branches = self.features.on((flat.signs > 0).astype(np.int64))
        slopes = branches.contract(np.zeros((len(flat.signs), len(self.normals[0]))), gradient)[1] @ flat.basis
        lengths = np.linalg.norm(slopes, axis=1)
        if not lengths.any():
            return []
        ways = (slopes[lengths > 0.0] / lengths[lengths > 0.0, None]) @ flat.basis.T
        ways = np.concatenate([ways, -ways])
        values = self.features.values(ways) @ gradient
        chosen = np.argsort(-np.abs(values))[:ADDED]
        return [
            (abs(float(values[i])), _Atom(SEED * ways[i], self._signs(ways[i], flat), -float(np.sign(values[i]))))
            for i in chosen
        ]

    def _signs(self, way: Array, flat: Flat) -> Array:
        """Of the planes: 0 on those that hold the flat."""
        return np.where(flat.signs[0] == 0, 0.0, np.sign(self.normals @ way))

    def _outputs(self, atoms: list[_Atom]) -> Array:
        if not atoms:
            return self._nothing
        return np.array([atom.sign for atom in atoms]) @ self.features.values(np.array([a.vector for a in atoms]))

    def _merged(self, atoms: list[_Atom]) -> list[_Atom]:
        """One atom for each cell and sign: of two in a closed cell the sum does the same for less."""
        kept: list[_Atom] = []
        for atom in atoms:
            for place, other in enumerate(kept):
                if other.sign == atom.sign and np.all(other.signs * atom.signs >= 0.0):
                    signs = np.where(other.signs == 0.0, atom.signs, other.signs)
                    kept[place] = _Atom(atom.vector + other.vector, signs, atom.sign)
                    break
            else:
                kept.append(atom)
        return kept

    def _weighted(self, atoms: list[_Atom]) -> list[_Atom]:
        """The best masses along the directions of the atoms, by Newton's method on the loss; those of 0 are dropped."""
        sizes = np.array([np.linalg.norm(atom.vector) for atom in atoms])
        units = np.array([atom.vector for atom in atoms]) / sizes[:, None]
        signs = np.array([atom.sign for atom in atoms])
        # with an atom at the origin, that takes the rest of the mass
        values = np.vstack([self.most * signs[:, None] * self.features.values(units), self._nothing])
        costs = np.append(np.full(len(atoms), 2.0 * self.strength * self.most), 0.0)
        weights = np.append(sizes / self.most, 0.0)
        weights[-1] = max(1.0 - weights.sum(), 0.0)
        weights /= weights.sum()
        for _ in range(1 if self.loss.quadratic else STEPS):
            before = weights
            weights = simplex_weights(self.loss.model(before @ values), values, costs, before)
            weights = self._shortened(values, costs, before, weights)
            if np.abs(weights - before).max() <= 1e-12:
                break
        masses = self.most * weights[:-1]
        return [
            replace(atom, vector=mass * unit)
            for atom, mass, unit in zip(atoms, masses, units, strict=True)
            if mass > NEGLIGIBLE * max(masses.max(), 1e-300)
        ]

    def _shortened(self, values: Array, costs: Array, before: Array, after: Array) -> Array:
        """The step halved until F does not rise."""
        if self.loss.quadratic:
            return after
        start = 2.0 * self.loss.value(before @ values) + costs @ before
        for halving in range(40):
            trial = before + 0.5**halving * (after - before)
            if 2.0 * self.loss.value(trial @ values) + costs @ trial <= start:
                return np.asarray(trial)
        return before

    def _moved(self, atoms: list[_Atom]) -> list[_Atom]:
        """Newton's method on the vectors within their cells; one that meets a plane goes on along it."""
        for _ in range(STEPS):
            if not atoms:
                return atoms
            bases = [self._face(atom) for atom in atoms]
            slopes, hessian = self._derivatives(atoms, bases)
            step = -np.linalg.lstsq(hessian, slopes, rcond=1e-13)[0]
            ends = np.cumsum([basis.shape[1] for basis in bases])[:-1]
            moves = [basis @ part for basis, part in zip(bases, np.split(step, ends), strict=True)]
            share = min(1.0, *(self._room(atom, move) for atom, move in zip(atoms, moves, strict=True)))
            energy = self._energy(atoms)
            for halving in range(40):
                trial = [
                    replace(atom, vector=atom.vector + 0.5**halving * share * move)
                    for atom, move in zip(atoms, moves, strict=True)
                ]
                if self._energy(trial) <= energy:
                    break
            else:
                return atoms
            size = max(float(np.abs(move).max()) for move in moves)
            atoms = [self._on_planes(atom) for atom in trial] if share < 1.0 and halving == 0 else trial
            if share == 1.0 and size <= 1e-15 * max(float(np.abs(atom.vector).max()) for atom in atoms):
                break
        return atoms

    def _face(self, atom: _Atom) -> Array:
        """A basis of the planes that the atom is on, shape (D, r)."""
        held = self.normals[atom.signs == 0.0] @ self.span
        _, sizes, axes = np.linalg.svd(held, full_matrices=True)
        return np.asarray(self.span @ axes[int((sizes > 1e-10).sum()) :].T)

    def _derivatives(self, atoms: list[_Atom], bases: list[Array]) -> tuple[Array, Array]:
        """Of L + lambda sum |v_j| in the coordinates of the faces."""
        sides = (np.array([atom.signs for atom in atoms]) > 0.0).astype(np.int64)
        linear = self.features.on(sides).values_and_gradients(np.array([atom.vector for atom in atoms]))[1]
        columns = np.concatenate([a.sign * part @ b for a, part, b in zip(atoms, linear, bases, strict=True)], axis=1)
        outputs = self._outputs(atoms)
        slopes = columns.T @ self.loss.gradient(outputs)
        hessian = (columns.T @ self.loss.hessian(outputs)) @ columns
        first = 0
        for atom, basis in zip(atoms, bases, strict=True):
            size, way = float(np.linalg.norm(atom.vector)), basis.T @ atom.vector
            part = slice(first, first + len(way))
            slopes[part] += self.strength * way / size
            hessian[part, part] += self.strength * (np.eye(len(way)) - np.outer(way, way) / size**2) / size
            first += len(way)
        return slopes, hessian

    def _energy(self, atoms: list[_Atom]) -> float:
        sizes = sum(float(np.linalg.norm(atom.vector)) for atom in atoms)
        return self.loss.value(self._outputs(atoms)) + self.strength * sizes

    def _room(self, atom: _Atom, move: Array) -> float:
        """The share of a move after which an atom meets a plane."""
        heights, change = atom.signs * (self.normals @ atom.vector), atom.signs * (self.normals @ move)
        closing = (change < 0.0) & (atom.signs != 0.0)
        return float(np.min(heights[closing] / -change[closing], initial=np.inf))

    def _on_planes(self, atom: _Atom) -> _Atom:
        """An atom that has come to a plane put on it."""
        near = np.abs(self.normals @ atom.vector) <= ON_PLANE * np.linalg.norm(atom.vector)
        signs = np.where(near, 0.0, atom.signs)
        if np.array_equal(signs, atom.signs):
            return atom
        basis = self._face(replace(atom, signs=signs))
        return replace(atom, vector=basis @ (basis.T @ atom.vector), signs=signs)
