"""The result of `basins`: where the run from every value ends, the laws they end at, and where the law changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.objects import Part, computed, told

OTHERS = ("message", "label", "values")
NUMBER, TEXT, JUDGED = (int, float), (str,), (bool, type(None))
ENDING = {
    **dict.fromkeys(("time", "risk", "dust", "wall_seconds"), NUMBER),
    **dict.fromkeys(("gap_to_optimum", "dissipation", "distance"), (*NUMBER, type(None))),
    **{"at_rest": JUDGED, "clusters": (list,), "nearest": (dict, type(None)), "note": TEXT, "near": (bool,)},
}
NEAREST = {"atoms": (list,), "stable": JUDGED, "eigenvalues": (dict,), "note": TEXT}
"""The kinds of value that the end of a run and its nearest law have, by their keys; `OTHERS` are not of the end."""


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
class BasinLaw(Part):
    """What several runs end at: one law, or members of one family of laws.

    Attributes:
        label: 0, 1, ... in the order of the values.
        name: in words.
        stable: its class; None where it is undecided, or the runs are near no law.
        eigenvalues: of the first member; None where the runs are near no law.
        risk: least and largest final risk.
        count: number of runs.
    """

    JSON = ("label", "name", "stable", "eigenvalues", "risk", "count")

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

    FIGURES = ("basins",)

    JSON = (
        told("vary", "keys"),
        computed("values", lambda swept, names: dict(zip(swept.keys, swept.values, strict=True))),
        computed("points", lambda swept, names: [swept._point_json(point) for point in swept.points]),
        "laws",
        computed("boundaries", lambda swept, names: [swept._boundary_json(each) for each in swept.boundaries]),
        *("status", "message", "wall_seconds", "radius", "names", "configuration"),
    )

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

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values, the points and the boundaries, by the keys."""
        keys, names = content["vary"], content["names"]
        return {
            "values": [content["values"][key] for key in keys],
            "points": [_point(entry, keys, names) for entry in content["points"]],
            "boundaries": [_boundary(entry) for entry in content["boundaries"]],
        }

    def _point_json(self, point: BasinPoint) -> dict[str, Any]:
        named = dict(zip(self.keys, point.values, strict=True))
        return {"values": named, "label": point.label, **point.ending, "message": point.message}

    def _boundary_json(self, boundary: Boundary) -> dict[str, Any]:
        at = None if boundary.at is None else {self._other(boundary.key): boundary.at}
        return {**vars(boundary), "at": at}

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


def _point(entry: Mapping[str, Any], keys: Sequence[str], names: Sequence[str]) -> BasinPoint:
    """A point; raises KeyError, TypeError or ValueError where the entry is none."""
    values = tuple(float(entry["values"][key]) for key in keys)
    if entry["message"]:
        return BasinPoint(values, None, {}, str(entry["message"]))
    ending = {key: value for key, value in entry.items() if key not in OTHERS}
    _expect(ending, ENDING)
    if ending["near"] and not (ending["nearest"] and ending["nearest"].get("atoms")):
        raise ValueError("near no law")
    nearest = [] if ending["nearest"] is None else [ending["nearest"]]
    for law in nearest:
        _expect(law, NEAREST)
    for part in (*ending["clusters"], *(atom for law in nearest for atom in law["atoms"])):
        _expect(part, {"weight": NUMBER, "position": (dict,)})
        _expect(part["position"], dict.fromkeys(names, NUMBER))
    for cluster in ending["clusters"]:
        _expect(cluster["spread"], dict.fromkeys(names, NUMBER))
    return BasinPoint(values, entry["label"], ending)


def _boundary(entry: Mapping[str, Any]) -> Boundary:
    low, high = entry["labels"]
    at = None if entry["at"] is None else next(iter(entry["at"].values()))
    return Boundary(entry["key"], entry["low"], entry["high"], (low, high), at)


def _expect(content: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    """Raise TypeError or KeyError where a value is missing or of another kind."""
    for key, kind in kinds.items():
        value = content[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            raise TypeError(f"{key} is {value!r}")
        if kind == NUMBER and key == "weight" and not 0.0 <= float(content[key]) <= 2.0:
            raise ValueError(f"{key} is {value!r}")


def _row(point: BasinPoint) -> str:
    if point.label is None:
        return f"failed: {point.message}"
    end = point.ending
    distance = math.nan if end["distance"] is None else float(end["distance"])
    gap = math.nan if end["gap_to_optimum"] is None else float(end["gap_to_optimum"])
    rest = "yes" if end["at_rest"] else "no"
    return f"{point.label:>5}  {end['risk']:>12.6g}  {gap:>10.4g}  {distance:>9.3g}  {rest}"
