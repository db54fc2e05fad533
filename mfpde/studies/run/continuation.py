"""The file that a run goes on from: that it belongs to the configuration, and to which later end it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from numpy.typing import NDArray

from mfpde.configuration.toml import differing_keys
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.results.files.netcdf_file import Attribute
from mfpde.studies.run.output import Result, configuration_of, refuse_missing

LAID_OUT, CONTINUED = "laid_out_to", "continued_from"
"""Attributes of a run that went on to a later end: that for which its grids were laid out, and the one just before."""


@dataclass(frozen=True)
class Earlier(Generic[Result]):
    """What an earlier part of a run left.

    Attributes:
        result, arrays: the content of its file.
        configuration: what to go on with: that which is asked for, with the save times that the file has up to its own
            end, and of those asked for the later ones.
        marks: attributes of a run that goes beyond the end it once had; empty for any other.
        finished: whether nothing is left to do.
    """

    result: Result
    arrays: dict[str, NDArray[Any]]
    configuration: Experiment
    marks: Mapping[str, Attribute]
    finished: bool

    @property
    def laid_out(self) -> Experiment:
        """The configuration with the end for which grids were laid out."""
        end = float(self.marks.get(LAID_OUT, self.configuration.time.end))
        return replace(self.configuration, time=replace(self.configuration.time, end=end, save=(0.0, end)))


def earlier_run(path: Path, configuration: Experiment, kind: type[Result]) -> Earlier[Result]:
    """What to go on from, once it is known to belong to this configuration; its end may be later.

    Raises ResultFileError for a missing, damaged or foreign file, ConfigurationError naming the keys that differ.
    """
    refuse_missing(path)
    result, arrays = kind.read(path)
    before = configuration_of(result, path)
    marks = {name: result.attributes[name] for name in (LAID_OUT, CONTINUED) if name in result.attributes}
    begun, end = before.time.end, configuration.time.end
    later = end > begun
    if later:
        marks = {LAID_OUT: begun, **marks, CONTINUED: begun}
    if marks:
        # the times of the file stay, up to the end that it had
        anchor, asked = float(marks[CONTINUED]), configuration.time
        joined = tuple(time for time in before.time.save_times if time <= anchor)
        joined += tuple(time for time in asked.save_times if time > anchor)
        configuration = replace(configuration, time=replace(asked, save=joined))
    keys = [key for key in differing_keys(before, configuration) if not (later and key in ("time.end", "time.save"))]
    if keys:
        message = f"{path}: comes from another configuration, which differs in {', '.join(keys)}"
        remedy = "resume with the same values or a later time.end, or name another file with -o"
        raise ConfigurationError([f"{message}; {remedy}"])
    return Earlier(result, arrays, configuration, marks, result.status == "success" and not later)
