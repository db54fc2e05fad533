"""Options of minimising movements on grids, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ...flow.flow import Flow
from ...space.geometry import Geometry
from ...space.grid import Grid


@dataclass(frozen=True)
class GridJkoOptions:
    """Options of the scheme.

    Attributes:
        order: 2, or 1 for plain minimising movements.
        flux_order: 2, or 1 for plain Scharfetter-Gummel rates (`Diffusion`).
        step: fixed step in flow time, cut only at the ends of `advance`; None adapts it.
        tolerance: bound per adaptive step of sum |m_order 2 - m_order 1|.
        growth: largest ratio of successive adaptive steps.
        optimality: the outputs solve the step to this fraction of their change.
    """

    order: int = 2
    flux_order: int = 2
    step: float | None = None
    tolerance: float = 1e-3
    growth: float = 2.0
    optimality: float = 1e-6


DEFAULTS = GridJkoOptions()


def check(geometry: Geometry, flow: Flow, grid: Grid, masses: Array, options: GridJkoOptions) -> None:
    """Refuse what minimising movements on a grid cannot use.

    Raises:
        ValueError: naming it and what to write instead.
    """
    refused = geometry.refusals(straight=True)
    if refused:
        raise ValueError("; ".join(refused))
    if not (1 <= len(grid.shape) <= 3 and len(grid.shape) == geometry.dimension):
        raise ValueError(
            f"the grid has {len(grid.shape)} axes, the geometry {geometry.dimension}: give 1 to 3, the same"
        )
    if not (0.0 < flow.inverse_temperature < np.inf):
        raise ValueError(
            f"JKO on a grid needs noise, got inverse_temperature = {flow.inverse_temperature}: give a finite number "
            "> 0, or use JKO on atoms"
        )
    if not (flow.fisher_rao_rate >= 0.0) or not (flow.transport or flow.fisher_rao_rate > 0.0):
        raise ValueError(
            f"fisher_rao_rate must be >= 0, and > 0 without transport, got {flow.fisher_rao_rate}: nothing would move"
        )
    if options.order not in (1, 2) or options.flux_order not in (1, 2):
        raise ValueError(f"order and flux_order must be 1 or 2, got {options.order} and {options.flux_order}")
    if options.step is not None and not (0.0 < options.step < np.inf):
        raise ValueError(f"step must be > 0, got {options.step}: write None to adapt it")
    if not (options.tolerance > 0.0 and options.growth > 1.0 and 0.0 < options.optimality <= 1e-2):
        raise ValueError(
            f"tolerance must be > 0, growth > 1, optimality in (0, 0.01], got {options.tolerance}, "
            f"{options.growth}, {options.optimality}"
        )
    if masses.shape != grid.shape or not (np.min(masses) >= 0.0 and 0.0 < float(np.sum(masses)) < np.inf):
        raise ValueError(f"masses must be >= 0 with a positive sum and shape {grid.shape}, got shape {masses.shape}")
