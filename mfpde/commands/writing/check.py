"""The command `mfpde check`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_source

HELP = "read everything, compute nothing: the whole configuration, and which schemes and commands serve it"
LESS = "a larger solver.tolerance"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, and whether to say what it costs."""
    add_source(parser)
    parser.add_argument("--cost", action="store_true", help="say what `solve` takes, from its set-up and a few steps")


def run(options: argparse.Namespace) -> int:
    """The configuration with every default, the coordinates, and what can be asked of it."""
    checks = Checks(options)
    experiment = checks.passed(checks.experiment(solved=False))
    from mfpde.studies.check import check

    return carry_out(check, checks, experiment, cost=options.cost)
