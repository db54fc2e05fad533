"""The command `mfpde solve`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_source

HELP = "solve the reduced dynamics"
LESS = "fewer time.save"
PLACE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the result file, and when to stop."""
    add_source(parser)
    add_output(parser, "RUN.nc", "write the result to this file")
    parser.add_argument(
        "--until",
        metavar="stationary",
        help="stop once the dissipation is small; short for --set time.until=stationary",
    )
    add_plot(parser)


def run(options: argparse.Namespace) -> int:
    """Solve: table or JSON, the file of -o and the figures."""
    checks = Checks(options)
    experiment = checks.experiment()
    from mfpde.results.answers.solve import SolveResult

    checks.drawable(SolveResult)
    checks.writable()
    ready = checks.passed(experiment)
    from mfpde.schemes.rehearsal import compile_scheme
    from mfpde.studies.solve import solve

    compile_scheme(ready)
    return carry_out(solve, checks, ready)
