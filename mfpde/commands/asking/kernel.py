"""The command `mfpde kernel`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks, listed, number, strength
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_source
from mfpde.keys.reader import POSITIVE_SIZE

HELP = "the kernel (lazy) limit: curves, spectra, and what is never learned"
LESS = "fewer time.save"
PLACE = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the output scales, and the file."""
    add_source(parser)
    parser.add_argument("--scales", metavar="A,A,...", help="solve the equation at these output scales alpha too")
    parser.add_argument("--ridge", metavar="L,L,...", help="kernel regression on a data set under these ridges too")
    kept = "compute only the runs at scales that the file of -o does not hold"
    add_output(parser, "OUT.json", "write the JSON object to this file, as runs end", kept)
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """The kernel limit: table or JSON, the file of -o and the figure."""
    checks = Checks(options)
    experiment = checks.experiment(solved=False)
    scales = checks.run(lambda: listed("--scales", options.scales, _scale))
    ridges = checks.run(lambda: listed("--ridge", options.ridge, strength))
    from mfpde.results.answers.kernel import KernelLimit

    checks.drawable(KernelLimit)
    checks.writable("OUT.json")
    from mfpde.studies.kernel.kernel import kernel, refuse

    if experiment is not None:
        checks.run(lambda: refuse(experiment, scales or (), ridges or ()))
    ready = checks.passed(experiment)

    return carry_out(kernel, checks, ready, scales, ridges)


def _scale(option: str, text: str) -> float:
    """An output scale."""
    low, high = POSITIVE_SIZE.low, POSITIVE_SIZE.high
    remedy = f"is not a number from {low:g} to {high:g}; write for example {option} 1,10,100"
    return number(option, text, lambda value: value in POSITIVE_SIZE, remedy)
