"""The file of a sweep: what a sweep is resumed from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mfpde.configuration.families import Family
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import differing_keys
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.keys.reader import one_line
from mfpde.results.answers.basins import BasinPoint, BasinsResult
from mfpde.results.files.netcdf_file import DAMAGE
from mfpde.shell.checksum import KEY, tell_earlier
from mfpde.shell.files import read_json
from mfpde.studies.run.output import refuse_missing

REMEDY = "name another file with -o, or replace this one with --force"


def earlier_points(
    path: Path, family: Family, first: Experiment, radius: float | None
) -> tuple[tuple[BasinPoint, ...], float]:
    """The finished points of a sweep, without those that failed, and the time they took.

    Raises:
        ResultFileError: the file is missing, damaged or foreign.
        ConfigurationError: it is of another problem, or of other values.
    """
    content = _read(path)
    try:
        earlier = BasinsResult.from_json(content)
        then = parse(tomllib.loads(earlier.configuration))
    except (*DAMAGE, ConfigurationError) as error:
        raise ResultFileError(f"{path}: no sweep, or a damaged sweep ({one_line(repr(error))}); {REMEDY}") from None
    if KEY not in content:
        tell_earlier(path)
    problems = list(_differences(family, earlier))
    different = [key for key in differing_keys(then, first) if key not in earlier.keys]
    if different:
        problems.append(f"another problem, which differs in {', '.join(different)}")
    if earlier.radius != radius:
        problems.append(f"another --radius, {earlier.radius}")
    if problems:
        remedy = "resume with the same values, or name another file with -o"
        raise ConfigurationError([f"{path}: holds a sweep of {problem}; {remedy}" for problem in problems])
    return tuple(point for point in earlier.points if not point.message), earlier.wall_seconds


def _read(path: Path) -> Any:
    refuse_missing(path)
    try:
        return read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultFileError(f"{path}: not a sweep of `mfpde basins` ({one_line(str(error))}); {REMEDY}") from None


def _differences(family: Family, earlier: BasinsResult) -> list[str]:
    """In what the variations differ."""
    own = [variation.key for variation in family.variations]
    if list(earlier.keys) != own:
        return [f"other keys, {', '.join(earlier.keys)}"]
    return [
        f"other values of {variation.key}"
        for variation, values in zip(family.variations, earlier.values, strict=True)
        if variation.values != values
    ]
