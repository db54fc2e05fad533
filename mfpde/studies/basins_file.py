"""The file of a sweep: its result, and what it is resumed from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mfpde.configuration import Configuration, ConfigurationError, parse
from mfpde.results.basins_result import BasinPoint, BasinsResult
from mfpde.results.errors import OutputError, ResultFileError, RunOutputError
from mfpde.results.output import write_atomically
from mfpde.toml_writer import differing_keys
from mfpde.variation import Family

FAILURES = ("message", "label", "values")


def write_result(result: BasinsResult, path: Path) -> None:
    """Write the JSON object; raises RunOutputError."""
    text = json.dumps(result.to_json(), allow_nan=False)

    def write(place: Path) -> None:
        place.write_text(text + "\n", encoding="utf-8")

    try:
        write_atomically(path, write)
    except OutputError as error:
        raise RunOutputError(str(error)) from None


def earlier_points(
    path: Path, family: Family, first: Configuration, radius: float | None
) -> tuple[tuple[BasinPoint, ...], float]:
    """The finished points of a sweep, without those that failed, and the time they took.

    Raises:
        ResultFileError: the file is missing, damaged or foreign.
        ConfigurationError: it is of another problem, or of other values.
    """
    content = _read(path)
    try:
        then = parse(tomllib.loads(content["configuration"]))
        keys, values = content["vary"], [list(map(float, content["values"][key])) for key in content["vary"]]
        points = [_point(entry, keys) for entry in content["points"] if not entry["message"]]
        seconds, earlier_radius = float(content["wall_seconds"]), content["radius"]
    except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
        raise ResultFileError(f"{path}: a damaged sweep ({error!r}); run it again with --force") from None
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
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultFileError(f"{path}: not a sweep of `mfpde basins` ({error}); run it again with --force") from None


def _point(entry: dict[str, Any], keys: Sequence[str]) -> BasinPoint:
    ending = {key: value for key, value in entry.items() if key not in FAILURES}
    return BasinPoint(tuple(float(entry["values"][key]) for key in keys), None, ending)


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
