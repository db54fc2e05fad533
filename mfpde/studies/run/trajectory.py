"""The trajectory while it is computed: one row per save time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfpde.results.answers.solve import Array, SolveResult
from mfpde.results.files.netcdf_file import Attribute
from mfpde.solvers.flow.time_loop import Observation
from mfpde.solvers.space.measure import Cells, Measure

EARLIEST = 0.1
"""The earliest audit that counts, as a share of the time: a transient is forgotten in a decade."""
SCALARS = ("time", "risk", "free_energy", "dissipation", "dissipated", "balance", "residual", "mass")
SERIES = (*SCALARS, "mean", "variance")


@dataclass
class Trajectory:
    """Rows recorded so far; `append` adds one, `result` stacks them.

    Attributes:
        names, statistics: the reduced coordinates, and what moments are taken of.
        rows: per series the values at the save times.
        laws: per save time the density on a grid or the (weight, position) of atoms.
        edges: the grid, None for atoms.
        watches: what is told of each law beside the risk, by name.
    """

    names: tuple[str, ...]
    rows: dict[str, list[Any]] = field(default_factory=lambda: {key: [] for key in SERIES})
    laws: list[tuple[Array, ...]] = field(default_factory=list)
    edges: tuple[Array, ...] | None = None
    statistics: tuple[str, ...] = ()
    watches: Mapping[str, Callable[[Measure], float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.laws)

    def append(self, time: float, observation: Observation, rate: float, initial_energy: float) -> None:
        """Record one time t, with rate = xi(t) and initial_energy = F(0)."""
        for key in ("risk", "free_energy", "dissipated", "mass", "mean", "variance"):
            self.rows[key].append(getattr(observation, key))
        self.rows["time"].append(time)
        self.rows["dissipation"].append(observation.dissipation * rate if math.isfinite(rate) else math.nan)
        self.rows["balance"].append(abs(observation.free_energy - initial_energy + observation.dissipated))
        self.rows["residual"].append(math.nan if observation.residual is None else observation.residual)
        for key, watch in self.watches.items():
            self.rows.setdefault(key, []).append(watch(observation.law))
        self.edges = observation.law.edges
        self.laws.append(_law_rows(observation.law))

    def result(
        self,
        errors: Mapping[str, Any],
        scheme: str,
        status: str,
        wall_seconds: float,
        attributes: Mapping[str, Attribute],
    ) -> SolveResult:
        """The rows as a SolveResult."""
        dimension, count = len(self.names), len(self.statistics or self.names)
        # An interruption may strike between the appends: the laws come last, so they count.
        rows = {key: values[: len(self)] for key, values in self.rows.items()}
        series: dict[str, Any] = {key: np.array(rows[key], dtype=float) for key in SCALARS}
        residual = series.pop("residual")
        series |= {key: np.array(rows[key], dtype=float).reshape(-1, count) for key in ("mean", "variance")}
        return SolveResult(
            **series,
            **errors,
            names=self.names,
            statistics=self.statistics,
            scheme=scheme,
            status=status,
            wall_seconds=wall_seconds,
            residual=None if np.isnan(residual).all() else residual,
            edges=self.edges,
            attributes=dict(attributes),
            watched={key: np.array(rows.get(key, []), dtype=float) for key in self.watches},
            **_stacked(self.laws, self.edges, dimension),
        )


def restored(result: SolveResult, watches: Mapping[str, Callable[[Measure], float]]) -> Trajectory:
    """The trajectory that a result was made of."""
    trajectory = Trajectory(result.names, edges=result.edges, statistics=result.statistics, watches=watches)
    trajectory.rows |= {key: list(values) for key, values in result.watched.items()}
    for key in SERIES:
        values = getattr(result, key)
        trajectory.rows[key] = [math.nan] * len(result.time) if values is None else list(values)
    if result.density is not None:
        trajectory.laws = [(density,) for density in result.density]
    elif result.weight is not None and result.position is not None:
        trajectory.laws = list(zip(result.weight, result.position, strict=True))
    return trajectory


def estimated_error(flow_times: Sequence[float], times: Array, gaps: Array, floors: Array) -> Array:
    """Estimated errors of K numbers at the flow times, shape (T, K), from a coarser run of the same scheme.

    The difference of the two crosses zero by accident, so each time takes the largest of those audited from a tenth of
    it to twice its own (and the first one after it); `floors` are what the comparison cannot see (the features).

    Args:
        times: flow times of the audits, increasing, shape (A,).
        gaps: |difference| there, shape (A, K); where a difference is NaN, so is the estimate.
        floors: shape (K,).
    """
    errors = np.tile(floors, (len(flow_times), 1))
    for index, time in enumerate(flow_times):
        near = (times >= EARLIEST * time) & (times <= 2.0 * time)
        near[np.flatnonzero(times > time)[:1]] = True
        errors[index] = np.maximum(floors, gaps[near].max(axis=0, initial=0.0))
    return errors


def _law_rows(law: Measure) -> tuple[Array, ...]:
    return (law.density,) if isinstance(law, Cells) else (law.weights.copy(), law.points.copy())


def _stacked(laws: list[tuple[Array, ...]], edges: tuple[Array, ...] | None, dimension: int) -> dict[str, Any]:
    if edges is not None:
        shape = tuple(len(axis) - 1 for axis in edges)
        return {"density": np.array([density for (density,) in laws]).reshape(-1, *shape)}
    atoms = max((len(weight) for weight, _ in laws), default=1)
    weight = np.zeros((len(laws), atoms))
    position = np.full((len(laws), atoms, dimension), np.nan)
    for index, (masses, points) in enumerate(laws):
        weight[index, : len(masses)] = masses
        position[index, : len(masses)] = points
    return {"weight": weight, "position": position}
