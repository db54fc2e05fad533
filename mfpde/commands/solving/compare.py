"""The command `mfpde compare`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_scheduler, add_source
from mfpde.commands.solving.sgd import WORKERS

HELP = "solve the equation beside SGD, and say how far they are apart"
LESS = "fewer sgd.neurons, sgd.replicas, time.save or --workers, --no-coupled"
PLACE = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the result files, and what to leave out."""
    add_source(parser)
    add_output(parser, "RUN.nc", "write the replicas to this file")
    add_scheduler(parser, "replicas", WORKERS)
    add_plot(parser)
    parser.add_argument("--no-coupled", action="store_true", help="leave out the four coupled dynamics")
    parser.add_argument("--kernel", action="store_true", help="draw the kernel (lazy) limit beside them")


def run(options: argparse.Namespace) -> int:
    """The equation beside SGD: table, JSON, figures."""
    checks = Checks(options)
    checks.workers()
    experiment = checks.experiment()
    from mfpde.results.answers.compare import CompareResult

    checks.drawable(CompareResult)
    from mfpde.studies.compare.compare import compare
    from mfpde.studies.kernel.kernel import refuse as refuse_kernel
    from mfpde.studies.sgd.refusals import refuse

    if experiment is not None:
        coupled = not options.no_coupled
        saved = checks.output is not None
        checks.run(lambda: refuse(experiment, workers=checks.local_workers, saved=saved, coupled=coupled))
        if options.kernel:
            checks.run(lambda: refuse_kernel(experiment))
    checks.writable()
    ready = checks.passed(experiment)
    return carry_out(compare, checks, ready, coupled=not options.no_coupled, kernel=options.kernel)
