"""The table [solver]: the scheme and its options."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Choice, Integer, Integers, Number
from mfpde.keys.reader import POSITIVE, Range
from mfpde.schemes.interface import scheme_names

# Below it the adaptive parts would chase the rounding of double precision.
MINIMUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Solver:
    """The scheme and its options; None means chosen from the problem."""

    scheme: str | None = key(None, Choice(scheme_names), "the numerical scheme")
    tolerance: float = key(
        1e-6,
        Number(Range(MINIMUM_TOLERANCE, 1.0, high_open=True)),
        "target error of the adaptive parts: objective, grid guide, time step",
    )
    cells: tuple[int, ...] | None = key(
        None, Integers(2, 10**7, "[128, 128]"), "cells per reduced coordinate; one number stands for all"
    )
    order: int | None = key(None, Integer(1, 2, 2), "order of the reconstruction and of the time step")
    step: float | None = key(None, Number(POSITIVE, fallback=1e-3), "largest time step")
    courant: float | None = key(
        None,
        Number(Range(0.0, 1.0, low_open=True), fallback=0.5),
        "largest part of a cell's mass that may leave it in one step",
    )
    atoms: tuple[int, ...] | None = key(
        None,
        Integers(1, 10**7, "[64]"),
        "atoms per reduced coordinate of rho_0, one number stands for all; of particles their number N",
    )
