"""The result of `bounds`: the gap of every run, how the gaps scale, and what that says of each bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.solve import Array
from mfpde.results.files.netcdf_file import Attribute
from mfpde.results.objects import Part, array

WORDS = {
    "fluctuation_neurons": "std of $R_N$, gradient flow",
    "bias_neurons": "bias of $R_N$, gradient flow",
    "flow_gap_neurons": "sup gap, gradient flow",
    "sup_gap_neurons": "sup gap, SGD",
    "step_part_step_size": "step part",
    "step_fluctuation_step_size": "std of step part",
    "sup_gap_step_size": "sup gap, SGD",
    "step_part_dimension": "step part",
    "sup_gap_dimension": "sup gap, SGD",
}
"""What is measured, by its key among the exponents."""
HEADS = {"neurons": "N", "step_size": "step size", "dim": "d"}


@dataclass(frozen=True, order=True)
class Point(Part):
    """One setting of the sweep: N, eps and d."""

    neurons: int
    step_size: float
    dim: int


@dataclass(frozen=True)
class PointRuns:
    """All replicas of SGD at one point.

    Attributes:
        point: N, eps, d.
        replicas: which replicas are there.
        time: t = k eps at the save times, shape (T,).
        gap: R_N(theta^k) - R(rho_{k eps}), signed, shape (R, T).
    """

    point: Point
    replicas: tuple[int, ...]
    time: Array
    gap: Array

    @property
    def sup_gap(self) -> Array:
        """sup over the save times of |gap|, shape (R,)."""
        return np.asarray(np.max(np.abs(self.gap), axis=1))


@dataclass(frozen=True)
class Exponent(Part):
    """The slope of log(quantity) against log(factor), with a 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Series(Part):
    """One quantity along one factor.

    Attributes:
        name: its key among the exponents.
        factor: "neurons", "step_size" or "dim".
        x: the values of the factor, increasing, shape (P,).
        value, low, high: the quantity and its 95 % interval, shape (P,).
        exponent: its slope.
        reference: the slope of the bound; NaN where it bounds this quantity by a sum of powers.
    """

    JSON = ("name", "factor", "reference", "x", "value", "low", "high")

    name: str
    factor: str
    x: Array
    value: Array
    low: Array
    high: Array
    exponent: Exponent
    reference: float

    @property
    def words(self) -> str:
        """The quantity."""
        return WORDS.get(self.name, self.name)

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The slope, which the exponents of the result tell."""
        return {"exponent": content["exponent"]}


@ANSWERS.register("bounds")
@dataclass(frozen=True)
class BoundsResult(Answer):
    """What a sweep found.

    Attributes:
        design: the sweep in words.
        points: the runs of SGD, point by point.
        series: what was measured along each factor.
        exponents: slopes by name; those of `series`, and what follows from them.
        verdicts: for every claim "holds", "does not hold" or "undecided within the data", with the numbers.
        pde_error: the largest estimated error of R(rho_t).
        status: "success", "interrupted" or "failed".
        wall_seconds: time of this call.
        message: what went wrong, or is worth a warning.
        attributes: provenance.
    """

    FIGURES = ("bounds",)

    JSON = ("design", "runs", "curves", "series", "exponents", "verdicts", "pde_error", "status", "wall_seconds")

    design: str
    points: tuple[PointRuns, ...]
    series: tuple[Series, ...]
    exponents: Mapping[str, Exponent]
    verdicts: Mapping[str, str]
    pde_error: float
    status: str
    wall_seconds: float
    message: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """From a JSON object; see `Part`."""
        series = [{**item, "exponent": content["exponents"][item["name"]]} for item in content["series"]]
        return super().from_json({**content, "series": series})

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The runs of SGD, from their gaps and numbers."""
        points = []
        for curve in content["curves"]:
            point = Point(curve["neurons"], curve["step_size"], curve["dim"])
            told = vars(point).items()
            replicas = tuple(run["replica"] for run in content["runs"] if told <= run.items())
            points.append(PointRuns(point, replicas, array(curve["time"]), array(curve["gap"])))
        return {"points": points, "attributes": content.get("provenance", {})}

    def provenance(self) -> Mapping[str, Any]:
        """Versions, configuration, seed."""
        return {"provenance": dict(self.attributes)}

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The largest gap of every run of SGD."""
        return [
            {**runs.point.to_json(), "replica": replica, "sup_gap": gap}
            for runs in self.points
            for replica, gap in zip(runs.replicas, runs.sup_gap, strict=True)
        ]

    @property
    def curves(self) -> list[dict[str, Any]]:
        """The gaps at every point."""
        return [{**runs.point.to_json(), "time": runs.time, "gap": runs.gap} for runs in self.points]

    def table(self) -> str:
        """The result as text."""
        lines = [self.design, f"R of the PDE to {self.pde_error:.1e}"]
        lines.append(f"{'N':>7} {'step size':>10} {'d':>6} {'runs':>5} {'mean sup gap':>13} {'largest':>9}")
        for runs in self.points:
            point, gap = runs.point, runs.sup_gap
            text = f"{point.neurons:>7} {point.step_size:>10.3g} {point.dim:>6} {len(gap):>5}"
            lines.append(f"{text} {gap.mean():>13.4g} {gap.max():>9.4g}")
        for item in self.series:
            lines += ["", f"{item.words}, by {HEADS[item.factor]}"]
            rows = zip(item.x, item.value, item.low, item.high, strict=True)
            lines += [f"{x:>12g} {value:>12.4g}   [{low:.4g}, {high:.4g}]" for x, value, low, high in rows]
        lines.append("")
        lines += [f"{claim}: {text}" for claim, text in self.verdicts.items()]
        lines.append(f"{self.status}, {self.wall_seconds:.1f} s")
        return "\n".join(lines)
