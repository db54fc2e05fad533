"""The command `mfpde predict`."""

from __future__ import annotations

import argparse
import math
from functools import partial

from mfpde.commands.checks import Checks, number
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_json

HELP = "the outputs of a run's network at the inputs of a file"
LESS = "fewer rows"
PLACE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A result, a file of inputs, and a time."""
    parser.add_argument("run", metavar="RUN.nc", help="a file that `mfpde solve -o` or `mfpde sgd -o` made")
    parser.add_argument("data", metavar="X.csv", help="x1, ..., xd, optionally y and weight; or an NPZ file of x")
    parser.add_argument("--time", metavar="T", help="save time (default: the last)")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Outputs at the rows of a file."""
    from mfpde.results.reading import load_run
    from mfpde.studies.predict import predict, read_rows

    checks = Checks(options)
    remedy = "is not a finite time, 0 or later; write --time 1.5"
    given = options.time
    time = (
        None
        if given is None
        else checks.run(lambda: number("--time", given, lambda value: 0.0 <= value < math.inf, remedy))
    )
    found = checks.run(partial(load_run, options.run))
    checks.run(lambda: read_rows(options.data, []))
    return carry_out(predict, checks, checks.passed(found), options.data, time)
