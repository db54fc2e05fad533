"""Options of the finite-volume scheme, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..flow.flow import Flow
from ..space.geometry import Geometry
from ..space.grid import Grid


@dataclass(frozen=True)
class FiniteVolumeOptions:
    """Options of the scheme.

    Attributes:
        courant: c in (0, 1]; in a step a face drains at most c / (number of faces) of a cell at the velocity
        there.
        order: 2, or 1 without reconstruction slopes.
        tolerance: bound per step of sqrt(sum omega (Heun - Euler)^2) in the outputs; rules where the law
        hardly moves.
        empty: total mass of the cells whose velocities do not limit the step.
        growth: largest ratio of successive steps.
        noisy_tolerance: with noise, bound per step of sum |m_order 2 - m_Euler|; with birth and death, of the sum over
        the cells of the change that they make in one half of the step minus that in the other. The error of a step is
        about its power 3/2, so that steps shrink with its square root.
    """

    courant: float = 0.75
    order: int = 2
    tolerance: float = 1e-2
    empty: float = 1e-8
    growth: float = 1.5
    noisy_tolerance: float = 1e-4


DEFAULTS = FiniteVolumeOptions()


def check(geometry: Geometry, flow: Flow, grid: Grid, masses: Array, options: FiniteVolumeOptions) -> None:
    """Raise ValueError for a term of the flow, an option or a mass that the scheme cannot use."""
    refused = geometry.refusals(straight=bool(np.isfinite(flow.inverse_temperature)))
    if refused:
        raise ValueError("; ".join(refused))
    if not (1 <= len(grid.shape) <= 3 and len(grid.shape) == geometry.dimension):
        raise ValueError(
            f"the grid has {len(grid.shape)} axes, the geometry {geometry.dimension}: give 1 to 3, the same"
        )
    if not (flow.inverse_temperature > 0.0):
        raise ValueError(f"inverse_temperature must be > 0, got {flow.inverse_temperature}: write inf for no noise")
    if not (0.0 <= flow.fisher_rao_rate < np.inf):
        raise ValueError(f"fisher_rao_rate must be >= 0 and finite, got {flow.fisher_rao_rate}")
    if not (flow.transport or flow.reacts):
        raise ValueError("without transport nothing moves: set fisher_rao_rate > 0 or transport = True")
    if not (0.0 < options.courant <= 1.0):
        raise ValueError(f"courant must lie in (0, 1], got {options.courant}: the positivity proof needs it")
    if options.order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {options.order}")
    if masses.shape != grid.shape or not (np.min(masses) >= 0.0 and 0.0 < float(np.sum(masses)) < np.inf):
        raise ValueError(f"masses must be >= 0 with a positive sum and shape {grid.shape}, got shape {masses.shape}")
