"""The folder of a sweep: one file per run, the problem they share, and the result."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import differing_keys, to_toml
from mfpde.errors import ConfigurationError, OutputError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.results.reading import SWEEP
from mfpde.shell.files import output_error, probe_folder, write_text
from mfpde.studies.bounds.design import base_configuration

PROBLEM_NAME = "problem.toml"
RUN_NAME = re.compile(r"(sgd|flow|pde)-[0-9a-f]{20}\.json")
"""The name of a run's file; others in the folder are not ours."""


def check_folder(folder: Path | None, configuration: Experiment | None, *, resume: bool, force: bool) -> None:
    """Raise ConfigurationError, ResultFileError or OutputError where a sweep could not use the folder."""
    if resume and folder is None:
        raise ConfigurationError(["--resume: there is no folder to continue; name it with -o DIR"])
    if resume and force:
        raise ConfigurationError(["--resume and --force exclude each other: write one of them"])
    if folder is None:
        return
    probe_folder(folder)
    problem = folder / PROBLEM_NAME
    if resume and not problem.is_file():
        raise ResultFileError(f"{folder}: holds no sweep to continue; write the command without --resume to begin one")
    if resume and configuration is not None:
        keys = differing_keys(_shared(problem), base_configuration(configuration))
        if keys:
            message = f"{folder}: holds runs of another problem, which differs in {', '.join(keys)}"
            raise ConfigurationError([f"{message}; resume with the same values, or name another folder with -o"])
    elif not force and (problem.exists() or (folder / SWEEP).exists()):
        message = f"{folder}: holds an earlier sweep"
        raise OutputError(f"{message}; add --resume to continue it, --force to replace it, or name another folder")


def prepare_folder(folder: Path, configuration: Experiment, *, force: bool) -> None:
    """Say which problem the folder's runs belong to, and with `force` remove the runs that are there."""
    if force:
        try:
            for place in [path for path in folder.iterdir() if RUN_NAME.fullmatch(path.name)]:
                place.unlink()
            (folder / SWEEP).unlink(missing_ok=True)
        except OSError as error:
            raise output_error(folder, error) from None
    write_text(folder / PROBLEM_NAME, to_toml(base_configuration(configuration)))


def _shared(path: Path) -> Experiment:
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigurationError) as error:
        message = f"{path}: cannot be read ({str(error).splitlines()[0]})"
        raise ResultFileError(f"{message}; run the sweep again with --force") from None
