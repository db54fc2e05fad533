"""The command `mfpde distance`."""

from __future__ import annotations

import argparse
import math
from functools import partial

from mfpde.commands.checks import Checks, number, refuse
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_json

HELP = "the Wasserstein distance W2 between the laws of two results"
LESS = "results of fewer solver.cells or solver.atoms"
PLACE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two results, and a time of each."""
    parser.add_argument("first", metavar="A.nc", help="a file that `mfpde solve -o` made")
    parser.add_argument("second", metavar="B.nc", help="another one, or the same for two times of it")
    parser.add_argument("--time", metavar="T", help="save time of both laws (default: the last of each)")
    parser.add_argument("--time-a", metavar="T", help="save time of the law of A.nc")
    parser.add_argument("--time-b", metavar="T", help="save time of the law of B.nc")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """W2 between the laws of two results."""
    from mfpde.results.answers.solve import SolveResult
    from mfpde.studies.distance import distance

    checks = Checks(options)
    if options.time is not None and (options.time_a is not None or options.time_b is not None):
        checks.run(lambda: refuse("--time stands for --time-a and --time-b: write either it or those"))
    given = {"--time": options.time, "--time-a": options.time_a, "--time-b": options.time_b}
    both, *each = (None if text is None else checks.run(partial(_time, name, text)) for name, text in given.items())
    loaded = [checks.run(partial(SolveResult.read, path)) for path in (options.first, options.second)]
    (first, _), (second, _) = (checks.passed(found) for found in loaded)
    times = (both, both) if options.time else (each[0], each[1])
    return carry_out(distance, checks, first, second, times)


def _time(option: str, text: str) -> float:
    """The finite number >= 0 that an option was given."""
    remedy = f"is not a finite time, 0 or later; write {option} 1.5"
    return number(option, text, lambda value: 0.0 <= value < math.inf, remedy)
