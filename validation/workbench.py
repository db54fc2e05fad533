"""Where the runs of a validation are made, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.experiment import Experiment
from mfpde.results.answers.solve import SolveResult
from mfpde.studies.solve import solve

TOLERANCES = {"characteristics": 1e-8, "finite-volume": 1e-6}


@dataclass
class Workbench:
    """Runs by configuration, so that rows and figures share them."""

    _results: dict[Experiment, SolveResult] = field(default_factory=dict)

    def run(self, configuration: Experiment) -> SolveResult:
        """The trajectory of a configuration, computed at the first request."""
        if configuration not in self._results:
            self._results[configuration] = solve(configuration)
        return self._results[configuration]

    def has(self, configuration: Experiment) -> bool:
        """Whether it was run."""
        return configuration in self._results

    @property
    def runs(self) -> int:
        """How many runs were made."""
        return len(self._results)


def configured(
    tables: Mapping[str, Mapping[str, Any]], scheme: str, times: Sequence[float], **dynamics: object
) -> Experiment:
    """The configuration of a problem's tables with a scheme at its default accuracy, save times and dynamics."""
    timed = {"time": {"end": max(times[-1], 1e-3), "save": list(times)}}
    solver = {"solver": {"scheme": scheme, "tolerance": TOLERANCES[scheme]}}
    return parse({**tables, **timed, **solver, **({"dynamics": dynamics} if dynamics else {})})


def gaussian_mixture(
    activation: object, delta: float, dims: Sequence[int] | None, kappa: float, fractions: Sequence[float] = (1.0,)
) -> dict[str, dict[str, Any]]:
    """Tables of a two-class problem; `dims` None is the limit d = infinity with these fractions."""
    data: dict[str, Any] = {"delta": delta}
    data |= {"dims": "infinite", "fractions": list(fractions)} if dims is None else {"dims": list(dims)}
    return {"data": data, "network": {"activation": activation}, "initial": {"kappa": kappa}}


def at(result: SolveResult, series: str, time: float, axis: int | None = None) -> float:
    """A series' value at a save time; NaN where the run ended before."""
    index = np.flatnonzero(result.time == time)
    if not index.size:
        return float("nan")
    values = getattr(result, series)[index[0]]
    return float(values if axis is None else values[axis])
