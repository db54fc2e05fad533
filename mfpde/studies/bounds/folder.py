"""The folder of a sweep: one file per run, the problem they share, and the result."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import differing_keys, to_toml
from mfpde.errors import ConfigurationError, OutputError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.results.reading import SWEEP
from mfpde.shell.files import make_folder, output_error, probe_folder, reserved, write_text
from mfpde.studies.bounds.design import base_configuration

PROBLEM_NAME = "problem.toml"


@dataclass(frozen=True)
class Kept:
    """What the folder of a sweep holds.

    Attributes:
        result: the file of the result.
        kinds: of the runs, with which the names of their files begin; others in the folder are not ours.
        base: from the configuration of a sweep to what its runs share.
    """

    result: str
    kinds: tuple[str, ...]
    base: Callable[[Experiment], Experiment]

    def owns(self, name: str) -> bool:
        """Whether a file is that of a run."""
        return re.fullmatch(rf"({'|'.join(self.kinds)})-[0-9a-f]{{20}}\.json", name) is not None


BOUNDS = Kept(SWEEP, ("sgd", "flow", "pde"), base_configuration)


def check_folder(
    folder: Path | None, configuration: Experiment | None, *, resume: bool, force: bool, kept: Kept = BOUNDS
) -> None:
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
        keys = differing_keys(_shared(problem), kept.base(configuration))
        if keys:
            message = f"{folder}: holds runs of another problem, which differs in {', '.join(keys)}"
            raise ConfigurationError([f"{message}; resume with the same values, or name another folder with -o"])
    elif not force and (problem.exists() or (folder / kept.result).exists()):
        message = f"{folder}: holds an earlier sweep"
        raise OutputError(f"{message}; add --resume to continue it, --force to replace it, or name another folder")


def prepare_folder(folder: Path, configuration: Experiment, *, force: bool, kept: Kept = BOUNDS) -> None:
    """Say which problem the folder's runs belong to, and with `force` remove the runs that are there."""
    if force:
        try:
            for place in [path for path in folder.iterdir() if kept.owns(path.name)]:
                place.unlink()
            (folder / kept.result).unlink(missing_ok=True)
        except OSError as error:
            raise output_error(folder, error) from None
    write_text(folder / PROBLEM_NAME, to_toml(kept.base(configuration)))


@contextmanager
def swept_folder(
    output: str | Path | None, configuration: Experiment, kept: Kept, *, resume: bool, force: bool
) -> Iterator[Path | None]:
    """The folder of a sweep, ready for its runs and held until the block is left; None where there is none."""
    folder = None if output is None else Path(output)
    check_folder(folder, configuration, resume=resume, force=force, kept=kept)
    with ExitStack() as held:
        if folder is not None:
            make_folder(folder)
            held.enter_context(reserved(folder / kept.result))
            prepare_folder(folder, configuration, force=force, kept=kept)
        yield folder


def _shared(path: Path) -> Experiment:
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigurationError) as error:
        message = f"{path}: cannot be read ({str(error).splitlines()[0]})"
        raise ResultFileError(f"{message}; run the sweep again with --force") from None
