"""Commands whose answer is one JSON object on the screen and in the file of -o."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mfpde.commands.common import (
    EXIT_DONE,
    EXIT_FAILED,
    Answer,
    Checks,
    configuration_of,
    radius_of,
    refuse,
    show,
    use_threads,
)
from mfpde.shell.process import complain

if TYPE_CHECKING:
    from mfpde.experiment import Experiment


def run_study(options: argparse.Namespace, study: Callable[[Experiment, float | None], Answer]) -> int:
    """Check the options, run a study of the source on a box, deliver its answer."""
    checks = Checks()
    radius = check_options(options, checks)
    configuration = checks.run(lambda: _named(options))
    checks.report()
    assert configuration is not None
    return finish(lambda: study(configuration, radius), options)


def _named(options: argparse.Namespace) -> Experiment:
    """The configuration of SOURCE; without one, what is wrong with the form of the overrides is told too."""
    if options.source is None:
        from mfpde.configuration.sources import override_mistakes

        missing = "name a problem, `mfpde stationary SOURCE`, or a run, `mfpde stationary --from RUN.nc`"
        refuse(missing, *override_mistakes(options.overrides))
    return configuration_of(options, solved=False)


def check_options(options: argparse.Namespace, checks: Checks) -> float | None:
    """Check --threads, -o and --radius, whose value is returned."""
    from mfpde.results.files.output import probe

    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    if options.output is not None:
        checks.run(lambda: probe(Path(options.output), force=options.force))
    return None if options.radius is None else checks.run(lambda: radius_of(options.radius))


def finish(study: Callable[[], Answer], options: argparse.Namespace) -> int:
    """Run a study and deliver its answer."""
    try:
        found = study()
    except (ArithmeticError, ValueError) as error:
        complain(f"{error}; write another --radius" if isinstance(error, ValueError) else str(error))
        return EXIT_FAILED
    deliver(found, options)
    return EXIT_DONE


def deliver(found: Answer, options: argparse.Namespace) -> None:
    """The answer in the file of -o, and on the screen; raises RunOutputError."""
    from mfpde.results.files.output import write_json

    if options.output is not None:
        write_json(Path(options.output), found.to_json())
    show(found, options)
