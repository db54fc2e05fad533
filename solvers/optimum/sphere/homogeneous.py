"""The optimum of 1-homogeneous units with kinks through the origin, under a ridge on all their parameters.

Where a unit a phi(w) is homogeneous in a and in w, ridge |z|^2 is least at |a| = |w|, and

    min_rho 2 L(Phi rho) + lambda ∫|z|^2 drho  =  min_m 2 L(∫ phi dm) + 2 lambda |m|(sphere)

over signed measures on the sphere of directions. The kinks cut the sphere into cells on which phi is linear: one
vector for each cell and sign is enough, of which the minimum of L + lambda sum |v_j| is a finite second-order cone
program. A measure is optimal iff h(u) = grad L . phi(u) lies within [-lambda, lambda] everywhere; its extremes lie at
the gradients of cells or of their faces, all of which are looked at. So cells are added where h is beyond, and the
programme over the cells so far is solved, until none is. Which vectors are 0 and which planes hold the others is then
known, and the equations of their gradients are solved to rounding. In any case

    F >= -2 L*(theta grad L),    theta = min(1, lambda / sup |h|).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from ...arrays import Array
from ...objective.kinks import Kinked
from ...objective.objective import Objective
from .cone import Cone, least_loss
from .fan import ZERO, Flat, flats
from .pricing import Priced

Oracle = Callable[[Array], Priced]

ADDED = 20
"""Cells that a round may add."""
ROUNDS = 200
HALVINGS = 40
STEPS = 60
"""Evaluations of the equations of an answer; where it is not one that many say so."""
BEYOND = 2e-13
"""Excess of |h| over lambda, and gap of F, relative to them, that is rounding."""
PROGRAMMED = 1e-3
"""The same that the cone programme leaves."""
SHARES = (1e-6, 1e-5, 1e-7, 1e-4, 1e-8, 1e-3)
"""What is taken for 0 of its answer: of the vectors over the longest, of heights over planes over their vector."""
EPSILON = float(np.finfo(float).eps)
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


def homogeneous_optimum(
    objective: Objective, features: Kinked, strength: float, oracle: Oracle | None = None
) -> SignedAtoms:
    """The minimiser of 2 L + 2 lambda |m|, lambda the strength, of features that are linear between their kinks.

    Args:
        objective: the loss; its features are not looked at.
        features: phi, without the coefficient.
        oracle: g -> directions of the largest |phi . g|, where cells are too many to be looked at one by one.
    """
    return _Program(objective, features, strength, oracle).solved()


def _held(atoms: list[_Atom]) -> frozenset[bytes]:
    """In which cells, with which signs."""
    return frozenset(atom.signs.tobytes() + bytes([atom.sign > 0.0]) for atom in atoms)


def _gap(found: SignedAtoms) -> float:
    """Of F and its bound, or F times the excess, if that is more."""
    return max(found.energy - found.lower_bound, abs(found.energy) * (found.excess - 1.0))


class _Program:
    def __init__(self, objective: Objective, features: Kinked, strength: float, oracle: Oracle | None) -> None:
        self._oracle = oracle
        self.loss, self.features, self.strength = objective.loss, features, strength
        kinks = features.kinks
        assert kinks is not None
        self.normals = kinks.normals
        span = np.linalg.svd(kinks.normals, full_matrices=False)
        self.span = span[2][span[1] > 1e-10 * span[1][0]].T
        found = [] if oracle is not None else flats(self.normals @ self.span)
        self.flats = [Flat(self.span @ flat.basis, flat.signs) for flat in found]

    @property
    def _nothing(self) -> Array:
        return np.zeros(self.features.rank)

    def solved(self) -> SignedAtoms:
        cells: list[_Atom] = []
        best, extremes = self._judged(cells)
        for _ in range(ROUNDS):
            before, cells = cells, self._programmed(self._merged([*cells, *extremes]))
            found, extremes = self._judged(cells)
            still = self._energy(before) - self._energy(cells) <= BEYOND * abs(found.energy)
            held, best = _held(cells), min(found, best, key=_gap)
            if still or found.excess <= 1.0 + PROGRAMMED:
                for trial, gradient in self._polished(cells, found.energy):
                    found, beyond = self._judged(trial, gradient)
                    if _gap(found) < _gap(best):
                        best, cells, extremes = found, trial, beyond
            if _gap(best) <= BEYOND * abs(best.energy) or (still and _held(before) == held == _held(cells)):
                break
        return best

    def _judged(self, atoms: list[_Atom], gradient: Array | None = None) -> tuple[SignedAtoms, list[_Atom]]:
        """The measure with its certificate, by grad L or what is like it, and where h lies farthest beyond lambda."""
        outputs = self._outputs(atoms)
        gradient = self.loss.gradient(outputs) if gradient is None else gradient
        extremes, sup = self._priced(gradient)
        theta = min(1.0, self.strength / sup) if sup > 0.0 else 1.0
        dimension = self.normals.shape[1]
        found = SignedAtoms(
            vectors=np.array([atom.vector for atom in atoms]).reshape(-1, dimension),
            signs=np.array([atom.sign for atom in atoms]),
            outputs=outputs,
            energy=self._energy(atoms),
            lower_bound=-2.0 * self.loss.conjugate(theta * gradient),
            excess=(extremes[0][0] if extremes else 0.0) / self.strength,
        )
        beyond = [atom for value, atom in extremes if value > self.strength]
        return found, beyond[:ADDED]

    def _priced(self, gradient: Array) -> tuple[list[tuple[float, _Atom]], float]:
        """|h| and atoms where it is largest, the largest first, and a bound of |h|."""
        if self._oracle is None:
            extremes = [found for flat in self.flats for found in self._extremes(flat, gradient)]
            extremes.sort(key=lambda pair: -pair[0])
            return extremes, extremes[0][0] if extremes else 0.0
        priced = self._oracle(gradient)
        heights = priced.units @ self.normals.T
        sides = np.where(np.abs(heights) <= ZERO, 0.0, np.sign(heights))
        found = zip(priced.units, sides, priced.values, strict=True)
        return [(abs(float(v)), _Atom(SEED * u, side, -float(np.sign(v)))) for u, side, v in found], priced.bound

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

    def _programmed(self, atoms: list[_Atom]) -> list[_Atom]:
        """The best vectors in the closed cells of the atoms; on the way there where the loss is but modelled."""
        if not atoms:
            return atoms
        bases = [self._face(atom) for atom in atoms]
        cones = []
        for atom, basis, linear in zip(atoms, bases, self._linear(atoms), strict=True):
            heights = (atom.signs[:, None] * self.normals)[atom.signs != 0.0] @ basis
            cones.append(Cone(atom.sign * linear @ basis, heights))
        vectors = least_loss(cones, self.loss, self.strength, self._outputs(atoms))
        ends, energy = [basis @ v for basis, v in zip(bases, vectors, strict=True)], self._energy(atoms)
        for halving in range(HALVINGS):
            share = 0.5**halving
            trial = [replace(a, vector=a.vector + share * (end - a.vector)) for a, end in zip(atoms, ends, strict=True)]
            if self._energy(trial) <= energy:
                break
        return trial

    def _polished(self, cells: list[_Atom], energy: float) -> Iterator[tuple[list[_Atom], Array]]:
        """What the programme comes to with what is near to 0 taken for it, for several meanings of near."""
        seen = set()
        for share in SHARES:
            atoms = self._identified(cells, share)
            held = _held(atoms)
            if not atoms or held in seen:
                continue
            seen.add(held)
            found = self._solved_slopes(atoms)
            if self._energy(found[0]) <= energy * (1.0 + PROGRAMMED):
                yield found

    def _identified(self, atoms: list[_Atom], share: float) -> list[_Atom]:
        """The atoms that are not 0 within a share, each on the planes that it is as near to."""
        longest = max((float(np.linalg.norm(atom.vector)) for atom in atoms), default=0.0)
        kept = [atom for atom in atoms if np.linalg.norm(atom.vector) > share * longest]
        return self._merged([self._on_planes(atom, share) for atom in kept])

    def _solved_slopes(self, atoms: list[_Atom]) -> tuple[list[_Atom], Array]:
        """The vectors at which the slopes of L + lambda sum |v_j| along the planes of the atoms vanish, and grad L.

        To rounding of the outputs they do; grad L, which may be far smaller, is moved by as much, so that they do to
        its own.
        """
        from scipy import optimize

        bases = [self._face(atom) for atom in atoms]
        ends = np.cumsum([basis.shape[1] for basis in bases])[:-1]
        parts = zip(atoms, self._linear(atoms), bases, strict=True)
        columns = np.concatenate([atom.sign * linear @ basis for atom, linear, basis in parts], axis=1)

        def lengths(unknown: Array) -> tuple[Array, Array]:
            """The gradient of sum |v_j| and its derivative."""
            ways, sizes = np.split(unknown, ends), [np.linalg.norm(way) for way in np.split(unknown, ends)]
            units = [way / size for way, size in zip(ways, sizes, strict=True)]
            bends = [(np.eye(len(u)) - np.outer(u, u)) / size for u, size in zip(units, sizes, strict=True)]
            return np.concatenate(units), linalg.block_diag(*bends)

        def slopes(unknown: Array) -> tuple[Array, Array]:
            outputs, (unit, bend) = columns @ unknown, lengths(unknown)
            pull = columns.T @ self.loss.gradient(outputs) / self.strength
            return pull + unit, (columns.T @ self.loss.hessian(outputs)) @ columns / self.strength + bend

        start = np.concatenate([basis.T @ atom.vector for atom, basis in zip(atoms, bases, strict=True)])
        options = {"xtol": EPSILON, "ftol": EPSILON, "gtol": 0.0, "maxiter": STEPS}
        vectors = optimize.root(slopes, start, jac=True, method="lm", options=options).x
        gradient = self.loss.gradient(columns @ vectors)
        missed = columns.T @ gradient + self.strength * lengths(vectors)[0]
        moved = gradient - np.linalg.lstsq(columns.T, missed, rcond=1e-13)[0]
        found = [replace(a, vector=b @ v) for a, b, v in zip(atoms, bases, np.split(vectors, ends), strict=True)]
        return found, moved if np.isfinite(self.loss.conjugate(moved)) else gradient

    def _energy(self, atoms: list[_Atom]) -> float:
        sizes = sum(float(np.linalg.norm(atom.vector)) for atom in atoms)
        return 2.0 * self.loss.value(self._outputs(atoms)) + 2.0 * self.strength * sizes

    def _linear(self, atoms: list[_Atom]) -> Array:
        """The linear map that the features are in the cell of each atom, shape (J, M, D)."""
        sides = (np.array([atom.signs for atom in atoms]) > 0.0).astype(np.int64)
        return self.features.on(sides).values_and_gradients(np.array([atom.vector for atom in atoms]))[1]

    def _face(self, atom: _Atom) -> Array:
        """A basis of the planes that the atom is on, shape (D, r)."""
        held = self.normals[atom.signs == 0.0] @ self.span
        _, sizes, axes = np.linalg.svd(held, full_matrices=True)
        return np.asarray(self.span @ axes[int((sizes > 1e-10).sum()) :].T)

    def _on_planes(self, atom: _Atom, share: float) -> _Atom:
        """An atom that is near to planes put on them."""
        near = np.abs(self.normals @ atom.vector) <= share * np.linalg.norm(atom.vector)
        signs = np.where(near, 0.0, atom.signs)
        basis = self._face(replace(atom, signs=signs))
        return replace(atom, vector=basis @ (basis.T @ atom.vector), signs=signs)
