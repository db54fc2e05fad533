"""The command `mfpde generalisation`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from mfpde.commands.checks import Checks, count, listed, strength
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_scheduler, add_source

HELP = "risk over the law after training on samples, against n, P and lambda"
LESS = "fewer --neurons, --samples or --workers"
PLACE = 7
LARGEST = 10**7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, what is swept, where it is computed, the folder of the sweep."""
    add_source(parser)
    quarters = "(default: a quarter, half and whole of that of the source)"
    parser.add_argument("--neurons", metavar="N,N", help=f"numbers of neurons {quarters}")
    parser.add_argument("--samples", metavar="P,P", help=f"numbers of samples {quarters}")
    parser.add_argument("--ridge", metavar="L,L", help=f"lambda of its ridge or penalty {quarters}")
    parser.add_argument("--batches", metavar="B", help="seeds of samples and neurons (default: 10)")
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
    samples = checks.run(lambda: listed("--samples", options.samples, whole))
    strengths = checks.run(lambda: listed("--ridge", options.ridge, strength))
    batches = checks.count("--batches", options.batches, 10**5)
    checks.workers()
    experiment = checks.experiment(solved=False)
    from mfpde.results.answers.samples.generalisation import GeneralisationResult

    checks.drawable(GeneralisationResult)
    from mfpde.studies.bounds.folder import check_folder
    from mfpde.studies.generalisation.design import make_design
    from mfpde.studies.generalisation.generalisation import FOLDER, generalisation

    if experiment is not None:
        designed = checks.run(lambda: make_design(experiment, neurons, samples, strengths, batches))
        known = experiment if designed is not None else None
        checks.run(lambda: check_folder(checks.output, known, resume=options.resume, force=options.force, kept=FOLDER))
    checks.saves()
    ready = checks.passed(experiment)
    return carry_out(generalisation, checks, ready, neurons, samples, strengths, batches)
