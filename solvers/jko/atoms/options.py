"""Options of minimising movements on atoms, and their checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...flow.flow import Flow


@dataclass(frozen=True)
class JkoOptions:
    """Options of the scheme.

    Attributes:
        order: 2, or 1 for plain minimising movements.
        formula: of order 2: "bdf2", or "midpoint".
        step: fixed tau in flow time, None to adapt it.
        tolerance: bound of the error of one step in the outputs and moments; rules where the step is adapted.
        resolution: unresolved mass-weighted position of a panel of atoms, as in `Characteristics`.
        largest: limit on the number of atoms.
        nodes: Gauss nodes per panel and label.
        atoms: least number of atoms per label at the start; None for as many as rho_0 needs.
        parts: steps taken for each of a fixed length.
    """

    order: int = 2
    formula: str = "bdf2"
    step: float | None = None
    tolerance: float = 1e-7
    resolution: float = 1e-5
    largest: int = 40_000
    nodes: int = 10
    atoms: tuple[int, ...] | None = None
    parts: int = 1


DEFAULTS = JkoOptions()


def check_options(flow: Flow, options: JkoOptions) -> None:
    """ValueError for a term of the flow or an option that the scheme cannot use."""
    if np.isfinite(flow.inverse_temperature):
        raise ValueError("atoms have no entropy: set dynamics.inverse_temperature = inf, or use a grid")
    if options.order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {options.order}")
    if options.formula not in ("bdf2", "midpoint"):
        raise ValueError(f"formula must be 'bdf2' or 'midpoint', got {options.formula!r}")
    if options.step is not None and not (0.0 < options.step < np.inf):
        raise ValueError(f"step must be a finite number above 0, got {options.step}")
    if not (options.tolerance > 0.0 and options.resolution > 0.0):
        raise ValueError(f"tolerances must be above 0, got {options.tolerance} and {options.resolution}")
