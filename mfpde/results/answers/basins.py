"""The result of `basins`: where the run from every value ends, the laws they end at, and where the law changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfpde.results.answer import ANSWERS, Answer


@dataclass(frozen=True)
class BasinPoint:
    """One value (or pair of values), and where its run ends.

    Attributes:
        values: of the varied keys.
        label: which law it ends at; None where the run failed.
        ending: of a run that did not fail, "risk", "gap_to_optimum", "at_rest", "near", "distance", "clusters", "dust",
            "nearest", "note", "time" and "wall_seconds", as `mfpde stationary --from` tells them.
        message: why the run failed; empty where it did not.
    """

    values: tuple[float, ...]
    label: int | None
    ending: Mapping[str, Any]
    message: str = ""


@dataclass(frozen=True)
class BasinLaw:
    """What several runs end at: one law, or members of one family of laws.

    Attributes:
        label: 0, 1, ... in the order of the values.
        name: in words.
        stable: its class; None where it is undecided, or the runs are near no law.
        eigenvalues: of the first member; None where the runs are near no law.
        risk: least and largest final risk.
        count: number of runs.
    """

    label: int
    name: str
    stable: bool | None
    eigenvalues: Mapping[str, Any] | None
    risk: tuple[float, float]
    count: int


@dataclass(frozen=True)
class Boundary:
    """Neighbouring values of one key between which the law changes.

    Attributes:
        key: which key.
        low, high: its values.
        labels: there.
        at: the value of the other key; None where there is none.
    """

    key: str
    low: float
    high: float
    labels: tuple[int, int]
    at: float | None = None


@ANSWERS.register("basins")
@dataclass(frozen=True)
class BasinsResult(Answer):
    """Which value leads to which law.

    Attributes:
        keys: the varied keys, one or two.
        values: what each runs through.
        names: reduced coordinates.
        points: the finished runs, the last key fastest.
        laws: what they end at.
        boundaries: where that changes.
        status: "success", "interrupted", "failed" (some run) or "running" (a checkpoint).
        configuration: TOML at the first values.
        radius: of --radius, None for the default.
        wall_seconds: time spent computing, over all resumed parts.
        message: what went wrong.
    """

    FORMATS = (".png", ".pdf")

    keys: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    points: tuple[BasinPoint, ...]
    laws: tuple[BasinLaw, ...]
    boundaries: tuple[Boundary, ...]
    status: str
    configuration: str
    radius: float | None
    wall_seconds: float
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `mfpde basins`, which is also what a sweep is resumed from."""
        return {
            "vary": list(self.keys),
            "values": {key: list(values) for key, values in zip(self.keys, self.values, strict=True)},
            "points": [self._point_json(point) for point in self.points],
            "laws": [
                {
                    "label": law.label,
                    "name": law.name,
                    "stable": law.stable,
                    "eigenvalues": law.eigenvalues,
                    "risk": list(law.risk),
                    "count": law.count,
                }
                for law in self.laws
            ],
            "boundaries": [
                {
                    "key": boundary.key,
                    "low": boundary.low,
                    "high": boundary.high,
                    "labels": list(boundary.labels),
                    "at": None if boundary.at is None else {self._other(boundary.key): boundary.at},
                }
                for boundary in self.boundaries
            ],
            "status": self.status,
            "message": self.message,
            "wall_seconds": self.wall_seconds,
            "radius": self.radius,
            "names": list(self.names),
            "configuration": self.configuration,
        }

    def _point_json(self, point: BasinPoint) -> dict[str, Any]:
        named = dict(zip(self.keys, point.values, strict=True))
        return {"values": named, "label": point.label, **point.ending, "message": point.message}

    def _other(self, key: str) -> str:
        return next(other for other in self.keys if other != key)

    def table(self) -> str:
        """The same in words."""
        heads = "".join(f"{key:>18}" for key in self.keys)
        lines = [f"{heads}  label  {'risk':>12}  {'gap':>10}  {'W2':>9}  at rest"]
        for point in self.points:
            values = "".join(f"{value:>18.10g}" for value in point.values)
            lines.append(f"{values}  {_row(point)}")
        lines.append("")
        for law in self.laws:
            low, high = law.risk
            risk = f"{low:.6g}" if high - low <= 1e-6 * abs(high) else f"{low:.6g} to {high:.6g}"
            runs = "1 run" if law.count == 1 else f"{law.count} runs"
            lines.append(f"label {law.label}: {law.name} ({runs}, risk {risk})")
        lines += self._boundary_lines()
        lines.append(f"{self.status}, {self.wall_seconds:.1f} s")
        return "\n".join(lines)

    def _boundary_lines(self) -> list[str]:
        """The boundaries, one line for all values of the other key that share it."""
        shared: dict[tuple[Any, ...], list[float | None]] = {}
        for item in self.boundaries:
            shared.setdefault((item.key, item.low, item.high, item.labels), []).append(item.at)
        lines = []
        for (key, low, high, (before, after)), places in shared.items():
            held = [place for place in places if place is not None]
            at = "" if not held else f" at {self._other(key)} = {held[0]:.10g}"
            if len(held) > 1:
                at = f" at {len(held)} values of {self._other(key)} from {held[0]:.10g} to {held[-1]:.10g}"
            lines.append(f"{before} -> {after} between {key} = {low:.10g} and {high:.10g}{at}")
        return lines


def _row(point: BasinPoint) -> str:
    if point.label is None:
        return f"failed: {point.message}"
    found = point.ending
    distance = math.nan if found["distance"] is None else float(found["distance"])
    gap = math.nan if found["gap_to_optimum"] is None else float(found["gap_to_optimum"])
    rest = "yes" if found["at_rest"] else "no"
    return f"{point.label:>5}  {found['risk']:>12.6g}  {gap:>10.4g}  {distance:>9.3g}  {rest}"
