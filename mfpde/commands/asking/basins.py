"""The command `mfpde basins`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_radius, add_scheduler, add_source

HELP = "which initial value, or value of any key, leads to which law"
LESS = "a smaller --radius or fewer --workers"
PLACE = 11
COUNT, MOST = 20, 1000
"""Values of a key where --vary gives no number, and most values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the keys and their values, where they are computed."""
    add_source(parser)
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="K=LOW:HIGH:COUNT",
        help="a key and its values, also K=V,V,...; once or twice",
    )
    add_radius(parser, "search the box 0 <= r_j <= R (default 10, or what holds the law)")
    add_scheduler(parser, "points")
    kept = "compute only what the file of -o does not hold"
    add_output(parser, "OUT.json", "write the JSON object to this file, as points end", kept)
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """Sweep and label: table or JSON, the file of -o and the figure."""
    checks = Checks(options)
    radius = checks.radius()
    checks.workers()
    family = checks.family(COUNT, MOST)
    from mfpde.studies.basins.basins import basins, tasks_of

    if family is not None:
        checks.run(lambda: tasks_of(family, radius))
    from mfpde.results.answers.basins import BasinsResult

    checks.drawable(BasinsResult)
    checks.writable("OUT.json")
    ready = checks.passed(family)
    return carry_out(basins, checks, **ready.given, radius=radius)
