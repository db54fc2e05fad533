"""The result of `bounds`: the gap of every run, how the gaps scale, and what that says of each bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.solve import Array, Attribute, numbers

HEADS = {"neurons": "N", "step_size": "step size", "dim": "d"}


@dataclass(frozen=True, order=True)
class Point:
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
class Exponent:
    """The slope of log(quantity) against log(factor), with a 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """One quantity along one factor.

    Attributes:
        name: its key among the exponents.
        factor: "neurons", "step_size" or "dim".
        words: the quantity.
        x: the values of the factor, increasing, shape (P,).
        value, low, high: the quantity and its 95 % interval, shape (P,).
        exponent: its slope.
        reference: the slope of the bound; NaN where it bounds this quantity by a sum of powers.
    """

    name: str
    factor: str
    words: str
    x: Array
    value: Array
    low: Array
    high: Array
    exponent: Exponent
    reference: float


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

    FORMATS = (".png", ".pdf")

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

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values; a number that is not finite becomes None."""
        runs = [
            {**_named(runs.point), "replica": replica, "sup_gap": float(gap)}
            for runs in self.points
            for replica, gap in zip(runs.replicas, runs.sup_gap, strict=True)
        ]
        curves = [
            {**_named(runs.point), "time": numbers(runs.time), "gap": [numbers(row) for row in runs.gap]}
            for runs in self.points
        ]
        series = [
            {
                "name": item.name,
                "factor": item.factor,
                "reference": item.reference if math.isfinite(item.reference) else None,
                **{key: numbers(getattr(item, key)) for key in ("x", "value", "low", "high")},
            }
            for item in self.series
        ]
        return {
            "design": self.design,
            "runs": runs,
            "curves": curves,
            "series": series,
            "exponents": {
                name: dict(zip(("value", "low", "high"), numbers(np.array(_triple(found))), strict=True))
                for name, found in self.exponents.items()
            },
            "verdicts": dict(self.verdicts),
            "pde_error": self.pde_error if math.isfinite(self.pde_error) else None,
            "status": self.status,
            "wall_seconds": self.wall_seconds,
        }

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


def _named(point: Point) -> dict[str, float]:
    return {"neurons": point.neurons, "step_size": point.step_size, "dim": point.dim}


def _triple(exponent: Exponent) -> tuple[float, float, float]:
    return exponent.value, exponent.low, exponent.high
