"""The numbers that a run and those beside it are compared in, all that is told of a law, and their errors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.results.answers.solve import Array
from mfpde.solvers.flow.time_loop import Observation
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.measure import Measure

ENERGIES = ("risk", "free_energy", "dissipation")
"""The first of the numbers; then the mass, means, variances, covariances, and what the data law tells."""

ROUNDING = 1e-14


@dataclass(frozen=True)
class Estimated:
    """All that is told of a law, as a row of K numbers.

    Attributes:
        geometry: what means and variances are of.
        watches: what the data law tells of a law, by name.
    """

    geometry: Geometry
    watches: Mapping[str, Callable[[Measure], float]]

    @property
    def count(self) -> int:
        """K."""
        moments = len(self.geometry.statistics)
        return len(ENERGIES) + 1 + 2 * moments + moments * (moments - 1) // 2 + len(self.watches)

    def __call__(self, seen: Observation) -> Array:
        """The numbers of what a scheme shows, shape (K,)."""
        told = [watch(seen.law) for watch in self.watches.values()]
        energies = [getattr(seen, name) for name in ENERGIES]
        return np.concatenate([energies, [seen.mass], seen.mean, seen.variance, self._covariances(seen), told])

    def _covariances(self, seen: Observation) -> Array:
        """Those of every two coordinates, in order."""
        count, places = len(seen.mean), self.geometry.read(seen.law.points)
        shares = seen.law.weights / seen.law.mass
        apart = [places[:, a] - seen.mean[a] for a in range(count)]
        return np.array([(shares * apart[a]) @ apart[b] for a in range(count) for b in range(a + 1, count)])

    def lacking(self, seen: Observation) -> Array:
        """What the numbers, R, F, D and `watches` aside, change by at most with what no run beside shows, shape (K,).

        That is the error of places, mass beyond the ends of a grid, and rounding; NaN where the law lies elsewhere.
        """
        spread, lost, reach = np.sqrt(seen.variance), 0.0, np.zeros(len(seen.mean))
        if seen.leftover is not None:
            lost, reach = seen.leftover.beyond, np.abs(self.geometry.read(seen.law.points) - seen.mean).max(axis=0)
        away = seen.place_error + ROUNDING * (np.abs(seen.mean) + spread)
        between = np.outer(away, spread) + np.outer(spread, away) + np.outer(away, away) + lost * np.outer(reach, reach)
        moments = [away + lost * reach, np.diag(between), between[np.triu_indices(len(spread), 1)]]
        told = np.full(len(self.watches), 0.0 if seen.leftover is None else np.nan)
        return np.concatenate([np.zeros(len(ENERGIES)), [ROUNDING * seen.mass], *moments, told])

    def by_name(self, errors: Array) -> dict[str, Any]:
        """Errors of shape (T, K) as the fields of a `SolveResult`."""
        moments, first = len(self.geometry.statistics), len(ENERGIES)
        counts = [1, moments, moments, moments * (moments - 1) // 2]
        mass, mean, variance, between, told = np.split(errors[:, first:], np.cumsum(counts), axis=1)
        covariance = np.zeros((len(errors), moments, moments))
        rows, columns = np.triu_indices(moments, 1)
        covariance[:, rows, columns] = covariance[:, columns, rows] = between
        covariance[:, range(moments), range(moments)] = variance
        found = {f"{name}_error": errors[:, part].copy() for part, name in enumerate(ENERGIES)}
        return found | {
            "mass_error": mass[:, 0],
            "mean_error": mean,
            "variance_error": variance,
            "covariance_error": covariance,
            "watched_error": dict(zip(self.watches, told.T, strict=True)),
        }
