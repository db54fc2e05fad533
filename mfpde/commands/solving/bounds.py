"""The command `mfpde bounds`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

from mfpde.commands.checks import Checks, count, listed, number
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_scheduler, add_source

HELP = "how far SGD is from the equation, against N, step size and dimension"
LESS = "fewer --neurons, --dims or --workers"
PLACE = 7
LARGEST = 10**7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, what is swept, where it is computed, the folder of the sweep."""
    add_source(parser)
    parser.add_argument("--neurons", metavar="N,N", help="numbers of neurons (default: that of the source)")
    parser.add_argument("--step-sizes", metavar="E,E", help="step sizes (default: that of the source)")
    parser.add_argument("--dims", metavar="D,D", help="values of data.dim, or of the sum of data.dims (shares kept)")
    parser.add_argument("--replicas", metavar="R", help="runs of every setting (default: sgd.replicas)")
    add_scheduler(parser, "runs")
    kept = "compute only what the folder of -o does not hold"
    replaced = "replace what exists: the sweep in the folder of -o, the figure of --plot"
    add_output(parser, "DIR", "keep every run, and the result, in this folder", kept, replaced)
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """Sweep, fit and judge: tables or JSON, figure, and the folder of -o."""
    checks = Checks(options)
    whole: Callable[[str, str], int] = partial(count, most=LARGEST)
    neurons = checks.run(lambda: listed("--neurons", options.neurons, whole))
    steps = checks.run(lambda: listed("--step-sizes", options.step_sizes, _step))
    dims = checks.run(lambda: listed("--dims", options.dims, whole))
    replicas = checks.count("--replicas", options.replicas, 10**5)
    checks.workers()
    experiment = checks.experiment(solved=False)
    from mfpde.results.answers.bounds import BoundsResult

    checks.drawable(BoundsResult)
    from mfpde.studies.bounds.bounds import bounds
    from mfpde.studies.bounds.design import make_design
    from mfpde.studies.bounds.folder import check_folder

    if experiment is not None:
        checks.run(lambda: make_design(experiment, neurons, steps, dims, replicas))
    checks.run(lambda: check_folder(checks.output, experiment, resume=options.resume, force=options.force))
    checks.saves()
    ready = checks.passed(experiment)
    return carry_out(bounds, checks, ready, neurons, steps, dims, replicas)


def _step(option: str, text: str) -> float:
    """A finite step size above 0."""
    remedy = f"is not a step above 0; write {option} 1e-4,4e-4"
    return number(option, text, lambda value: 0.0 < value < math.inf, remedy)
