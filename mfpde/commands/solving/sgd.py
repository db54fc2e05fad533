"""The command `mfpde sgd`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_scheduler, add_source

HELP = "run stochastic gradient descent, with exact risk curves"
LESS = "fewer sgd.neurons, sgd.replicas, time.save or --workers"
PLACE = 5
WORKERS = "processes (default: one per replica, at most one per core)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the result file, and how many processes."""
    add_source(parser)
    add_output(parser, "RUN.nc", "write the replicas to this file")
    add_scheduler(parser, "replicas", WORKERS)


def run(options: argparse.Namespace) -> int:
    """Replicas of SGD: risk curves on the screen, and in the file of -o."""
    checks = Checks(options)
    checks.workers()
    experiment = checks.experiment(solved=False)
    from mfpde.shell.ahead import compile_ahead
    from mfpde.shell.workers import number_of
    from mfpde.studies.sgd.networks import rehearse_steps
    from mfpde.studies.sgd.refusals import refuse
    from mfpde.studies.sgd.replicas import sgd

    if experiment is not None:
        checks.run(lambda: refuse(experiment, workers=checks.local_workers, saved=checks.output is not None))
    checks.writable()
    ready = checks.passed(experiment)
    if options.scheduler is None and number_of(checks.local_workers, ready.sgd.replicas) == 1:
        compile_ahead("sgd", lambda: rehearse_steps(ready))
    return carry_out(sgd, checks, ready)
