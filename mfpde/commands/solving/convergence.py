"""The command `mfpde convergence`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks, refuse
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_source

HELP = "refine grid and step, print the observed orders"
LESS = "fewer --levels"
PLACE = 3
# From 1e-2 in steps of 1e-2 the last level of characteristics then has the smallest tolerance there is.
MAXIMUM_LEVELS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, how many runs, of which schemes."""
    add_source(parser)
    parser.add_argument("--levels", default="4", metavar="L", help="number of runs, coarse to fine (default 4)")
    parser.add_argument(
        "--schemes", metavar="all|S,S", help="one table for these schemes, instead of that of the source"
    )


def run(options: argparse.Namespace) -> int:
    """Refine, and print the observed orders."""
    checks = Checks(options)
    levels = checks.count("--levels", options.levels, MAXIMUM_LEVELS)
    schemes = None if options.schemes is None else checks.run(lambda: _schemes(options))
    experiment = checks.experiment(solved=options.schemes is None)
    ready, count = checks.passed(experiment), checks.passed(levels)
    from mfpde.studies.convergence import convergence

    return carry_out(convergence, checks, ready, count, schemes=schemes)


def _schemes(options: argparse.Namespace) -> tuple[str, ...]:
    """The schemes that --schemes names."""
    from mfpde.studies.convergence import chosen_schemes

    if options.scheme is not None:
        refuse("--schemes replaces --scheme: write only one of them")
    return chosen_schemes(options.schemes)
