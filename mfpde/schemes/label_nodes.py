"""How many atoms characteristics and minimising movements start from along each label of rho_0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfpde.problem.initial.law import InitialLaw

FEW_LABELS = 2
NODES, NODES_OF_MANY = (10, 7), (8, 6)
"""Gauss nodes of a panel along each of few labels of rho_0, or of more: those of a run, and of its companion."""
MANY_ATOMS = 32
"""Atoms per label from which half of them say what all of them leave."""


def nodes_along(law: InitialLaw) -> tuple[int, int]:
    """Gauss nodes of a panel along a label, of a run and of its companion."""
    return NODES if law.spread <= FEW_LABELS else NODES_OF_MANY


def nodes_within(most: int, atoms: tuple[int, ...] | None) -> int:
    """Gauss nodes of a panel: with the atoms given, fewer of them are fewer nodes a panel, or fewer panels."""
    return most if atoms is None else max(2, min(most, *atoms))


def other_atoms(atoms: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Atoms of a companion where their number is given: half of them, or more than twice as many where they are few."""
    return None if atoms is None else tuple(count // 2 if count >= MANY_ATOMS else 2 * count + 1 for count in atoms)


def atoms_per_label(law: InitialLaw, atoms: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Atoms asked for per label of rho_0; None where none are, or where a Dirac mass has no labels to spread over."""
    labels = law.spread
    if atoms is None or not labels:
        return None
    return (atoms * labels if len(atoms) == 1 else atoms)[:labels]
