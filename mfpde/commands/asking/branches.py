"""The command `mfpde branches`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_plot, add_radius, add_source

HELP = "stationary laws followed in a parameter: folds, stability, optimality"
LESS = "a smaller --radius or fewer --atoms"
PLACE = 10
MOST_ATOMS = 3
VALUES, MOST_VALUES = 5, 1000
"""Values of the key where --vary gives no number, and most values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the key, and which laws."""
    add_source(parser)
    parser.add_argument(
        "--vary",
        metavar="K=LOW:HIGH[:COUNT]",
        action="append",
        required=True,
        help="the key and its range, data.delta=0.1:0.9; at COUNT values (default 5) laws are searched for",
    )
    add_radius(parser, "follow laws on the box 0 <= r_j <= R (default 10)")
    parser.add_argument("--atoms", metavar="K", default="2", help="follow laws on up to K atoms, 1 to 3 (default 2)")
    add_output(parser, "OUT.json", "write the JSON object to this file")
    add_plot(parser, "figure")


def run(options: argparse.Namespace) -> int:
    """Stationary laws along one key: in words or as JSON, in the file of -o, as a figure."""
    checks = Checks(options)
    checks.writable("OUT.json")
    radius = checks.radius()
    most_atoms = checks.count("--atoms", options.atoms, MOST_ATOMS)
    from mfpde.results.answers.branches import Branches

    checks.drawable(Branches)
    family = checks.family(VALUES, MOST_VALUES)
    from mfpde.studies.branches.branches import branches, refuse

    if family is not None:
        checks.run(lambda: refuse(family))
    ready, atoms = checks.passed(family), checks.passed(most_atoms)
    return carry_out(branches, checks, **ready.given, radius=radius, most_atoms=atoms)
