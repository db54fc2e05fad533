"""The command `mfpde stationary [--from RUN.nc]`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mfpde.commands.checks import Checks, refuse
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_radius, add_source

if TYPE_CHECKING:
    from mfpde.results.answers.sgd import SgdResult
    from mfpde.results.answers.solve import SolveResult

HELP = "every stationary law on few atoms with its class, or where a run ends"
LESS = "a smaller --radius or a larger solver.tolerance"
PLACE = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE or a run, and the box."""
    add_source(parser, optional=True)
    ended = "instead of SOURCE: where this run of solve or sgd ends"
    parser.add_argument("--from", dest="run", metavar="RUN.nc", help=ended)
    parser.add_argument("-v", "--verbose", action="store_true", help="say of each law what grows and where it leads")
    add_radius(parser, "search the box 0 <= r_j <= R (default 10)")
    add_output(parser, "OUT.json", "write the JSON object to this file", resume=None)


def run(options: argparse.Namespace) -> int:
    """The stationary laws of the source, each with its class; or where the run of --from ends."""
    checks = Checks(options)
    checks.writable("OUT.json", resumable=False)
    radius = checks.radius()
    return _laws(checks, radius) if options.run is None else _ending(checks, radius)


def _laws(checks: Checks, radius: float | None) -> int:
    options = checks.options
    if options.source is None:
        from mfpde.configuration.sources import override_mistakes

        missing = "name a problem, `mfpde stationary SOURCE`, or a run, `mfpde stationary --from RUN.nc`"
        checks.run(lambda: refuse(missing, *override_mistakes(options.overrides)))
    ready = checks.passed(None if options.source is None else checks.experiment(solved=False))
    from mfpde.studies.stationary.stationary import stationary

    return carry_out(stationary, checks, ready, radius, boxed=True)


def _ending(checks: Checks, radius: float | None) -> int:
    options = checks.options
    from mfpde.configuration.extensions import used
    from mfpde.results.reading import load_run

    checks.run(lambda: _alone(options))
    checks.run(lambda: used(options.use))
    result: SolveResult | SgdResult | None = checks.run(lambda: load_run(options.run))
    checks.report()
    assert result is not None
    from mfpde.studies.ending.ending import ending

    return carry_out(ending, checks, result, radius, options.run, boxed=True)


def _alone(options: argparse.Namespace) -> None:
    """Refuse what would change the problem of the run."""
    from mfpde.keys.reader import one_line

    given = [] if options.source is None else [one_line(options.source) or "SOURCE"]
    given += ["--set"] * bool(options.overrides)
    given += ["--scheme"] * (options.scheme is not None)
    if given:
        problem = f"--from takes its problem from the run: leave out {', '.join(given)}"
        refuse(f"{problem}, or solve the changed problem first with `mfpde solve -o`")
