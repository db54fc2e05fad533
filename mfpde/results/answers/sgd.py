"""The curves of replicas of stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mfpde.results.answer import ANSWERS, Recorded
from mfpde.results.answers.solve import ROWS, Array, told_rows
from mfpde.results.files.netcdf_file import Attribute
from mfpde.results.files.sgd import LAYOUT
from mfpde.results.objects import by_name, computed


@ANSWERS.register("sgd")
@dataclass(frozen=True)
class SgdResult(Recorded):
    """Trajectories of one-pass SGD.

    Attributes:
        time: t = k eps at the save times, shape (T,).
        risk: population risk R_N of every replica, shape (R, T); NaN where it is not computed yet.
        risk_error: its standard error, 0 where it is exact.
        position: the neurons in the reduced coordinates, shape (R, T, N, D).
        names: the D coordinates.
        steps: k at the last save time.
        status: "success", "interrupted", "failed" or "running".
        wall_seconds: time spent, over all resumed parts.
        attributes: provenance.
        watched: what the data law tells beside the risk, by its name, shape (R, T) each.
    """

    FIGURES = ("sgd_risk", "sgd_law")

    JSON = (
        "time",
        "risk",
        "risk_error",
        computed("", lambda result, names: result.watched),
        by_name("mean"),
        by_name("variance"),
        "steps",
        "engine",
        computed("notes", lambda result, names: result.notes),
        "wall_seconds",
        "status",
    )
    LAYOUT = LAYOUT

    time: Array
    risk: Array
    risk_error: Array
    position: Array
    names: tuple[str, ...]
    steps: int
    status: str
    wall_seconds: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    watched: Mapping[str, Array] = field(default_factory=dict)

    @property
    def engine(self) -> str:
        """What made the steps: "compiled" loops, or "numpy" where numba does not compile the activation."""
        return str(self.attributes.get("engine", "compiled"))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the numbers."""
        error = f"R_N is measured on samples, with a standard error of up to {self.largest_error:.1e}"
        kept = str(self.attributes.get("notes", "")).splitlines()
        return (*kept, *([error] if self.largest_error > 0.0 else []))

    @property
    def largest_error(self) -> float:
        """The largest standard error of a risk, 0 where they are exact."""
        return float(np.nanmax(self.risk_error, initial=0.0))

    @property
    def mean(self) -> Array:
        """Mean of each coordinate over the neurons, shape (R, T, D)."""
        return np.asarray(self.position.mean(axis=2))

    @property
    def variance(self) -> Array:
        """Variance of each coordinate over the neurons, shape (R, T, D)."""
        return np.asarray(self.position.var(axis=2))

    def table(self) -> str:
        """Mean and spread of the risk over the replicas, and of the coordinates' means."""
        heads = "".join(f"  {'mean ' + name:>11}" for name in self.names)
        lines = [f"{'t':>10}  {'R_N mean':>12}  {'std':>8}{heads}"]
        for index in told_rows(len(self.time), ROWS):
            risk = self.risk[:, index]
            moments = "".join(f"  {value:>11.4g}" for value in self.mean[:, index].mean(axis=0))
            lines.append(f"{self.time[index]:>10.4g}  {risk.mean():>12.8g}  {told_spread(risk):>8}{moments}")
        replicas, _, neurons, _ = self.position.shape
        rate = replicas * self.steps / max(self.wall_seconds, 1e-9)
        text = f"SGD, {neurons} neurons, {replicas} replica{'s' * (replicas > 1)} of {self.steps} steps"
        text += " by NumPy, which takes the place of compiled loops" if self.engine == "numpy" else ""
        return "\n".join(
            [
                *lines,
                *(f"note: {note}" for note in self.notes),
                f"{text}, {self.status}, {self.wall_seconds:.2f} s ({rate:.3g} steps/s)",
            ]
        )


def told_spread(values: Array) -> str:
    """The standard deviation of what replicas found, of which one has none."""
    return f"{values.std(ddof=1):.1e}" if len(values) > 1 else "-"
