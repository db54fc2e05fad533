"""Proximal maps of the atoms of a law: Newton's method from a guess of each, and searches for the global minimiser."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...characteristics.kernels import over_atoms
from ...flow.confinement import Confinement
from ...objective.table.elements import axis_nodes
from ...objective.table.feature_table import FeatureTable
from ...objective.table.kernels import scatter_blocks
from ...space.geometry import Geometry
from ...threads.blocks import in_blocks
from ..prox.cell_polynomials import CellPolynomials, cell_polynomials, moments_to_outputs, newton_line, newton_plane
from ..prox.global_kernels import global_prox, suspects
from ..prox.kernels import (
    ENERGY,
    GAIN,
    LARGEST,
    SADDLES,
    SUMS,
    IntArray,
    derivatives,
    envelope_along,
    newton_pass,
)

RESIDUAL = 1e-9
"""Accepted residual of the outputs, sqrt(sum omega (grad D)^2)."""
MOVE = 1e-4
"""Accepted last Newton move of an atom, relative to the box; what it leaves is of the order of its square."""
SUBOPTIMALITY = 1e-4
"""Accepted ∫(J - min J) before the last move, relative to RESIDUAL: a mean move of 1e-7 or so, which leaves 1e-14."""
APART = 1e-3
"""Distance of two minimisers, relative to the box, from which they are different ones."""
FEW_ATOMS = 1024
"""Atoms below which waking a second thread costs more than it saves."""
GLOBAL_BLOCK = 128
LOCAL_PASSES = 12


class Totals(NamedTuple):
    """What a Newton pass says of all atoms.

    Attributes:
        energy: ∫J dmu after it.
        gain: ∫(J - min J) dmu of the models before it.
        largest: the largest move along an axis.
        saddles: atoms at which J has no convex model.
    """

    energy: float
    gain: float
    largest: float
    saddles: int


class Images(NamedTuple):
    """Global proximal maps of all atoms.

    Attributes:
        places, outputs: the minimisers, shape (n, D), and their Phi rho, shape (M,).
        energy: ∫ min J dmu; suboptimality: what the last Newton steps took off it.
        values: J at the minimisers that were searched, 0 at the others, shape (n,).
        rivals, rival_values: best other minimisers, shape (n, D), and J there, inf where there is none, shape (n,).
    """

    places: Array
    outputs: Array
    energy: float
    suboptimality: float
    values: Array
    rivals: Array
    rival_values: Array


class ProximalMaps:
    """argmin_z J(z), J(z) = |z - x|^2 / (2 tau) + g . Phi(z) + V(z), of all atoms x at once.

    Args:
        table: Phi on a box; atoms must stay in it.
        geometry: bounds and mobility.
        confinement: V.

    Attributes:
        mesh, plan: of the table, as the kernels take it.
        cells: the table by monomials, None where there are too many coordinates or too high a degree for them.
        moves: 1 along axes that move, 0 along others, shape (D,).
        axes: the table's nodes along each axis.
    """

    def __init__(self, table: FeatureTable, geometry: Geometry, confinement: Confinement) -> None:
        self.box = table.box
        self._held = confinement.packed
        self._bends = confinement.penalty.strength > 0.0
        self.mesh = table._mesh
        self._flat = table._flat
        self.plan = derivatives(self.mesh)
        self.cells = cell_polynomials(self.mesh, self._flat, self.plan.polynomials)
        self._mobile = geometry.mobility
        self.moves = (self._mobile > 0.0).astype(float)
        self.axes = axes = [axis_nodes(edges, table.degree) for edges in table.edges]
        self._counts = np.array([len(axis) for axis in axes])
        self._nodes = np.zeros((len(axes), self._counts.max()))
        for a, axis in enumerate(axes):
            self._nodes[a, : len(axis)] = axis
        mesh = np.meshgrid(*axes, indexing="ij")
        self._node_confinement = confinement.value(np.stack([part.ravel() for part in mesh], axis=1))

    def newton(
        self, places: Array, centres: Array, masses: Array, tau: float, g: Array, with_inverses: bool = False
    ) -> tuple[Array, Array, Totals, Array]:
        """One Newton pass: new places, outputs there, totals over the atoms, inverse Hessians (on demand)."""
        n, dimension = centres.shape
        size = -(-n // scatter_blocks(n)) if n >= FEW_ATOMS else n
        blocks = -(-n // size)
        sums, moved = np.zeros((blocks, SUMS)), np.empty_like(places)
        inverses = np.empty((n if with_inverses else 0, dimension, dimension))
        if self.cells is not None and not (with_inverses or self._bends):
            outputs = self._in_cells(self.cells, places, centres, masses, tau, g, size, moved, sums)
            return moved, outputs, _totals(sums), inverses
        nodal = self._flat @ g
        shares = np.zeros((blocks, len(nodal)))
        arguments = (
            places, centres, masses, self.mesh, self.plan, nodal, tau, self._held, self._mobile, *self.box, size,
            moved, inverses, shares, sums,
        )  # fmt: skip
        in_blocks(newton_pass, n, size, *arguments)
        return moved, shares.sum(axis=0) @ self._flat, _totals(sums), inverses

    def _in_cells(
        self, cells: CellPolynomials, places: Array, centres: Array, masses: Array, tau: float, g: Array, size: int,
        moved: Array, sums: Array,
    ) -> Array:  # fmt: skip
        """A Newton pass by the kernels for few dimensions; fills `moved` and `sums`, returns the outputs."""
        potential = cells.coefficients @ g
        shares = np.empty((len(sums), len(potential)))
        touched = np.zeros((len(sums), int(np.prod(cells.counts))), dtype=np.bool_)
        arguments = (
            places, centres, masses, cells.edges, cells.counts, cells.nodes, potential, tau, self._held, self._mobile,
            *self.box, size, moved, shares, touched, sums,
        )  # fmt: skip
        in_blocks(newton_line if centres.shape[1] == 1 else newton_plane, len(centres), size, *arguments)
        outputs = np.zeros(len(g))
        moments_to_outputs(shares, touched, cells.coefficients, outputs)
        return outputs

    def best_nodes(self, g: Array, tau: float) -> IntArray:
        """Flat index of the minimiser of J among the nodes, for every node as centre."""
        nodal = self._flat @ g
        shape = tuple(self._counts)
        values = (nodal + self._node_confinement).reshape(shape)
        best = np.arange(values.size).reshape(shape)
        for a, mobility in enumerate(self._mobile.tolist()):
            if mobility > 0.0:
                lines = int(np.prod(shape[:a])), shape[a], int(np.prod(shape[a + 1 :]))
                values, best = envelope_along(values.reshape(lines), best.reshape(lines), self.axes[a], tau * mobility)
                values, best = values.reshape(shape), best.reshape(shape)
        return best.ravel()

    def at_best_nodes(self, centres: Array, best: IntArray) -> Array:
        """Atoms moved as the nearest node below is moved to its best one."""
        flat = np.zeros(len(centres), dtype=np.int64)
        below = np.empty_like(centres)
        for a, axis in enumerate(self.axes):
            place = np.clip(np.searchsorted(axis, centres[:, a], side="right") - 1, 0, len(axis) - 1)
            below[:, a] = axis[place]
            flat = flat * len(axis) + place
        chosen = np.unravel_index(best[flat], tuple(self._counts))
        ahead = np.stack([axis[place] for axis, place in zip(self.axes, chosen, strict=True)], axis=1) - below
        return np.asarray(np.clip(centres + self.moves * ahead, *self.box))

    def doubtful(self, places: Array, centres: Array, best: IntArray) -> NDArray[np.bool_]:
        """Atoms whose best node lies elsewhere, shape (n,)."""
        found = np.empty(len(centres), dtype=np.bool_)
        arguments = places, centres, self._nodes, self._counts, best, self._mobile, found
        over_atoms(suspects, len(centres), *arguments)
        return found

    def images(self, places: Array, centres: Array, masses: Array, tau: float, g: Array, again: bool) -> Images:
        """Global minimisers: Newton's method from the best nodes, and a search for those that end far from theirs.

        Where `places` are those of another g, atoms that left them are searched as well: both may be minimisers.
        """
        best = self.best_nodes(g, tau)
        at_rest = MOVE * float(np.max(self.box[1] - self.box[0]))
        settled = self.at_best_nodes(centres, best)
        doubtful = np.ones(len(centres), dtype=np.bool_)
        for _ in range(LOCAL_PASSES):
            before = settled
            settled, outputs, totals, _ = self.newton(before, centres, masses, tau, g)
            if totals.largest <= at_rest and totals.gain <= SUBOPTIMALITY * RESIDUAL:
                break
        if not totals.saddles:
            doubtful = (np.abs(settled - before) > at_rest).any(axis=1) | self.doubtful(settled, centres, best)
        if again:
            doubtful |= (np.abs(settled - places) > APART * (self.box[1] - self.box[0])).any(axis=1)
        values, other, rivals = np.zeros(len(centres)), np.full(len(centres), np.inf), settled
        if doubtful.any():
            settled = settled.copy()
            searched = self.searched(places[doubtful], centres[doubtful], tau, g, best)
            rivals = settled.copy()
            settled[doubtful], values[doubtful], rivals[doubtful], other[doubtful] = searched
            settled, outputs, totals, _ = self.newton(settled, centres, masses, tau, g)
        return Images(settled, outputs, totals.energy, totals.gain, values, rivals, other)

    def searched(
        self, places: Array, centres: Array, tau: float, g: Array, best: IntArray
    ) -> tuple[Array, Array, Array, Array]:
        """Global minimisers by a search from several places, J there, their rivals and J there."""
        nodal = self._flat @ g
        n = len(centres)
        moved, rivals = np.empty_like(centres), np.empty_like(centres)
        found, other = np.empty(n), np.empty(n)
        arguments = (
            places, centres, self.mesh, self.plan, nodal, self._nodes, self._counts, best, tau, self._held,
            self._mobile, *self.box, moved, found, rivals, other,
        )  # fmt: skip
        in_blocks(global_prox, n, GLOBAL_BLOCK, *arguments)
        return moved, found, rivals, other


def _totals(sums: Array) -> Totals:
    """The sums of `newton_pass` over the blocks."""
    added = sums.sum(axis=0)
    largest, saddles = float(sums[:, LARGEST].max()), int(added[SADDLES])
    return Totals(float(added[ENERGY]), float(added[GAIN]), largest, saddles)
