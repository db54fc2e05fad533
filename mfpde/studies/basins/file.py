"""The file of a sweep: its result, and what it is resumed from."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mfpde.configuration.families import Family
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import differing_keys
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.keys.reader import one_line
from mfpde.problem.problem import build_problem
from mfpde.results.answers.basins import BasinPoint, BasinsResult
from mfpde.shell.files import write_json

REMEDY = "name another file with -o, or replace this one with --force"
FAILURES = ("message", "label", "values")
NUMBER, TEXT, JUDGED = (int, float), (str,), (bool, type(None))
ENDING = {
    **dict.fromkeys(("time", "risk", "dust", "wall_seconds"), NUMBER),
    **dict.fromkeys(("gap_to_optimum", "dissipation", "distance"), (*NUMBER, type(None))),
    **{"at_rest": JUDGED, "clusters": (list,), "nearest": (dict, type(None)), "note": TEXT, "near": (bool,)},
}
NEAREST = {"atoms": (list,), "stable": JUDGED, "eigenvalues": (dict,), "note": TEXT}
"""The kinds of value that a finished point and its nearest law have, by their keys."""


def write_result(result: BasinsResult, path: Path) -> None:
    """Write the JSON object; raises RunOutputError."""
    write_json(path, result.to_json())


def earlier_points(
    path: Path, family: Family, first: Experiment, radius: float | None
) -> tuple[tuple[BasinPoint, ...], float]:
    """The finished points of a sweep, without those that failed, and the time they took.

    Raises:
        ResultFileError: the file is missing, damaged or foreign.
        ConfigurationError: it is of another problem, or of other values.
    """
    content, names = _read(path), build_problem(first).geometry.names
    try:
        then = parse(tomllib.loads(content["configuration"]))
        keys, values = content["vary"], [list(map(float, content["values"][key])) for key in content["vary"]]
        points = [_point(entry, keys, names) for entry in content["points"] if not entry["message"]]
        seconds, earlier_radius = float(content["wall_seconds"]), content["radius"]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, ConfigurationError) as error:
        raise ResultFileError(f"{path}: no sweep, or a damaged sweep ({one_line(repr(error))}); {REMEDY}") from None
    problems = list(_differences(family, keys, values))
    different = [key for key in differing_keys(then, first) if key not in keys]
    if different:
        problems.append(f"another problem, which differs in {', '.join(different)}")
    if earlier_radius != radius:
        problems.append(f"another --radius, {earlier_radius}")
    if problems:
        remedy = "resume with the same values, or name another file with -o"
        raise ConfigurationError([f"{path}: holds a sweep of {problem}; {remedy}" for problem in problems])
    return tuple(points), seconds


def _read(path: Path) -> Any:
    if not path.exists():
        raise ResultFileError(f"{path}: no such file to continue; write the command without --resume to begin one")
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultFileError(f"{path}: not a sweep of `mfpde basins` ({one_line(str(error))}); {REMEDY}") from None


def _point(entry: dict[str, Any], keys: Sequence[str], names: Sequence[str]) -> BasinPoint:
    """A finished point; raises KeyError, TypeError or ValueError where the entry is none."""
    ending = {key: value for key, value in entry.items() if key not in FAILURES}
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
    return BasinPoint(tuple(float(entry["values"][key]) for key in keys), None, ending)


def _expect(content: dict[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    """Raise TypeError or KeyError where a value is missing or of another kind."""
    for key, kind in kinds.items():
        value = content[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            raise TypeError(f"{key} is {value!r}")
        if kind == NUMBER and key == "weight" and not 0.0 <= float(content[key]) <= 2.0:
            raise ValueError(f"{key} is {value!r}")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _differences(family: Family, keys: Sequence[str], values: Sequence[Sequence[float]]) -> list[str]:
    """In what the variations differ."""
    own = [variation.key for variation in family.variations]
    if list(keys) != own:
        return [f"other keys, {', '.join(keys)}"]
    return [
        f"other values of {variation.key}"
        for variation, earlier in zip(family.variations, values, strict=True)
        if list(variation.values) != list(earlier)
    ]
