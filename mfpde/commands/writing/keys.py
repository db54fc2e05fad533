"""The command `mfpde keys`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import Checks
from mfpde.commands.driver import EXIT_DONE, show
from mfpde.commands.options import add_json

HELP = "the reference of all keys, or of a table or key"
LESS = "one table, for example mfpde keys time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ones."""
    parser.add_argument("wanted", nargs="?", metavar="TABLE|KEY", help="such as time, time.end or end (default: all)")
    parser.add_argument("--law", metavar="NAME", help="the keys of one data law (default: those of every law)")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Tell the keys."""
    from mfpde.studies.keys import keys

    checks = Checks(options)
    show(checks.passed(checks.run(lambda: keys(options.wanted, options.law, options.use))), options)
    return EXIT_DONE
