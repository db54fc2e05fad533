"""The command `mfpde rates [--from RUN.nc]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from mfpde.commands.checks import Checks, count, listed
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_source

HELP = "norms of data and of a run, the Monte-Carlo constant, slopes of random features"
LESS = "fewer --neurons or --replicas"
PLACE = 9
LARGEST = 10**4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE or a run, what is drawn, and the norm of w."""
    add_source(parser, optional=True)
    parser.add_argument("--from", dest="run", metavar="RUN.nc", help="instead of SOURCE: a run of solve, its path norm")
    parser.add_argument("--norm", metavar="l2|l1", default="l2", help="of w in the path norm (default l2)")
    parser.add_argument("--neurons", metavar="N,N", help="of networks and features that are drawn (default 16 to 128)")
    parser.add_argument("--replicas", metavar="R", help="how many of each (default 40)")
    add_output(parser, "OUT.json", "write the JSON object to this file", resume=None)
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """Norms, constants and slopes: table or JSON, the file of -o and the figure."""
    checks = Checks(options)
    whole: Callable[[str, str], int] = partial(count, most=LARGEST)
    neurons = checks.run(lambda: listed("--neurons", options.neurons, whole))
    replicas = checks.count("--replicas", options.replicas, 10**5)
    from mfpde.results.answers.samples.rates import Rates
    from mfpde.results.reading import load_run

    checks.drawable(Rates)
    checks.writable("OUT.json", resumable=False)
    found = None if options.run is None else checks.run(lambda: load_run(options.run))
    experiment = None if options.source is None else checks.experiment(solved=False)
    from mfpde.studies.rates.rates import rates, refuse

    checks.run(lambda: refuse(options.source is not None, options.run is not None, found, options.norm))
    checks.report()
    return carry_out(rates, checks, experiment, found, neurons=neurons, replicas=replicas, norm=options.norm)
