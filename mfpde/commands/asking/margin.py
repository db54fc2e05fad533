"""The command `mfpde margin`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_source

HELP = "the largest margins of the classes of a data set: by total variation, and by the kernel"
LESS = "fewer samples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE and the file."""
    add_source(parser)
    add_output(parser, "OUT.json", "write the JSON object to this file", resume=None)
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """Both margins: table or JSON, the file of -o and the figure."""
    checks = Checks(options)
    experiment = checks.experiment(solved=False)
    from mfpde.results.answers.samples.margin import Margins

    checks.drawable(Margins)
    checks.writable("OUT.json", resumable=False)
    from mfpde.studies.margin.margin import margin, refuse

    if experiment is not None:
        checks.run(lambda: refuse(experiment))
    return carry_out(margin, checks, checks.passed(experiment))
