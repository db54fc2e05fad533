"""The file a run writes to, and the one it goes on from: checked before anything is computed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError, OutputError, ResultFileError, RunOutputError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.results.answer import Answer
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.shell.files import probe, reserved

Result = TypeVar("Result", SolveResult, SgdResult)
Found = TypeVar("Found", bound=Answer)


def check_output(
    path: Path | None, *, force: bool, resume: bool = False, kind: str = "RUN.nc", resumable: bool = True
) -> None:
    """Raise ConfigurationError or OutputError where a study could not write to `path`.

    Args:
        kind: what the help calls the file.
        resumable: whether an existing file could also be continued.
    """
    problems = []
    if resume and path is None:
        problems.append(f"--resume: there is no file to continue; name it with -o {kind}")
    if resume and force:
        problems.append("--resume and --force exclude each other: write one of them")
    if path is not None:
        try:
            probe(path, force=force or resume, resumable=resumable)
        except OutputError as error:
            if not problems:
                raise
            problems.append(str(error))
    raise_mistakes(problems)


@contextmanager
def output_file(
    output: str | Path | None, *, force: bool, resume: bool = False, kind: str = "RUN.nc", resumable: bool = True
) -> Iterator[Path | None]:
    """The file that a study writes to, checked as by `check_output` and kept from other runs meanwhile."""
    path = None if output is None else Path(output)
    check_output(path, resume=resume, force=force, kind=kind, resumable=resumable)
    with nullcontext() if path is None else reserved(path):
        yield path


def kept(answer: Found, path: Path | None) -> Found:
    """The answer, once it is in its file, if it has one; raises RunOutputError with the answer."""
    if path is not None:
        try:
            answer.save(path)
        except OutputError as error:
            raise RunOutputError(str(error), answer) from None
    return answer


def refuse_missing(*paths: Path) -> None:
    """Raise ResultFileError, naming the first, where there is none of these files to continue."""
    if not any(path.exists() for path in paths):
        raise ResultFileError(f"{paths[0]}: no such file to continue; write the command without --resume to begin one")


def configuration_of(result: SolveResult | SgdResult, name: str | Path) -> Experiment:
    """The configuration a result was made from; raises ResultFileError, calling it `name`, where it is not readable."""
    try:
        return parse(tomllib.loads(str(result.attributes["configuration"])))
    except (KeyError, tomllib.TOMLDecodeError, ConfigurationError) as error:
        message = f"{name}: its configuration cannot be read ({error}); run it again with --force"
        raise ResultFileError(message) from None
