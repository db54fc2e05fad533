"""The command `mfpde kernel`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_source

HELP = "the kernel (lazy) limit: curves, spectra, and what is never learned"
LESS = "fewer time.save"
PLACE = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE and the file."""
    add_source(parser)
    add_output(parser, "OUT.json", "write the JSON object to this file", resume=None)
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """The kernel limit: table or JSON, the file of -o and the figure."""
    checks = Checks(options)
    experiment = checks.experiment(solved=False)
    from mfpde.results.answers.kernel import KernelLimit

    checks.drawable(KernelLimit)
    checks.writable("OUT.json", resumable=False)
    ready = checks.passed(experiment)
    from mfpde.studies.kernel.kernel import kernel

    return carry_out(kernel, checks, ready)
