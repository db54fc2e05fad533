"""The command `mfpde new`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfpde.commands.checks import Checks
from mfpde.commands.driver import EXIT_DONE

HELP = "write a commented TOML file with every key of a data law"
LESS = "another file"
PLACE = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file and the law."""
    parser.add_argument("file", nargs="?", metavar="FILE.toml", help="the file (default: standard output)")
    parser.add_argument("--law", metavar="NAME", help="the data law (default: gaussian-mixture)")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def run(options: argparse.Namespace) -> int:
    """Write the file, or print it."""
    from mfpde.shell.files import probe, write_text
    from mfpde.studies.keys import template

    checks = Checks(options)
    text = checks.run(lambda: template(options.law, options.use))
    place = None if options.file is None else Path(options.file)
    if place is not None:
        checks.run(lambda: probe(place, force=options.force, suffixes=(".toml",)))
    text = checks.passed(text)
    if place is None:
        print(text, end="")
    else:
        write_text(place, text)
        print(place)
    return EXIT_DONE
