"""The command `mfpde stationary [--from RUN.nc]`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mfpde.commands.answers import check_options, finish, run_study
from mfpde.commands.common import Answer, Checks, refuse

if TYPE_CHECKING:
    from mfpde.experiment import Experiment


def run(options: argparse.Namespace) -> int:
    """The stationary laws of the source, each with its class; or where the run of --from ends."""
    if options.run is not None:
        return _run_ending(options)

    def study(configuration: Experiment, radius: float | None) -> Answer:
        from mfpde.studies.stationary.stationary import RADIUS, stationary

        return stationary(configuration, RADIUS if radius is None else radius)

    return run_study(options, study)


def _run_ending(options: argparse.Namespace) -> int:
    from mfpde.keys.reader import one_line
    from mfpde.results.files.runs import load_run
    from mfpde.studies.ending.ending import ending

    def alone() -> None:
        given = [] if options.source is None else [one_line(options.source) or "SOURCE"]
        given += ["--set"] * bool(options.overrides)
        given += ["--scheme"] * (options.scheme is not None)
        if given:
            problem = f"--from takes its problem from the run: leave out {', '.join(given)}"
            refuse(f"{problem}, or solve the changed problem first with `mfpde solve -o`")

    checks = Checks()
    radius = check_options(options, checks)
    checks.run(alone)
    result = checks.run(lambda: load_run(options.run))
    checks.report()
    assert result is not None
    return finish(lambda: ending(result, radius, options.run), options)
