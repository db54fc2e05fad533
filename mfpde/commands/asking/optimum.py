"""The command `mfpde optimum`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_radius, add_source

HELP = "the law of least free energy, with a certified lower bound"
LESS = "a smaller --radius or a larger solver.tolerance"
PLACE = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE and the box."""
    add_source(parser)
    box = "search the box 0 <= r_j <= R, -R <= a, b <= R (default: 10; with noise, one that holds the law)"
    add_radius(parser, box)
    add_output(parser, "OUT.json", "write the JSON object to this file", resume=None)


def run(options: argparse.Namespace) -> int:
    """The law of least free energy, with its lower bound."""
    checks = Checks(options)
    checks.writable("OUT.json", resumable=False)
    radius = checks.radius()
    ready = checks.passed(checks.experiment(solved=False))
    from mfpde.studies.optimum.optimum import optimum

    return carry_out(optimum, checks, ready, radius, boxed=True)
