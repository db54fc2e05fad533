"""The command `mfpde plot`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfpde.commands.checks import Checks
from mfpde.commands.driver import EXIT_DONE, title_of
from mfpde.errors import ResultFileError
from mfpde.shell.environment import refuse_drawing

HELP = "draw a result file"
LESS = "the name of a result with fewer time.save"
PLACE = 2
FIGURES = "FIGURE.png|.pdf|.svg|.gif|.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and the figure."""
    parser.add_argument("run", metavar="FILE", help="a file that -o of a command made, or the folder of a sweep")
    parser.add_argument("-o", "--output", metavar=FIGURES, help="the figure (default: FILE with the ending .png)")
    parser.add_argument("--force", action="store_true", help="replace the figure if it exists")


def run(options: argparse.Namespace) -> int:
    """Draw a result file."""
    from mfpde.results.reading import load
    from mfpde.shell.files import probe

    checks = Checks(options)
    checks.run(refuse_drawing)
    checks.report()
    from mfpde.results.figures.style import MOVING, SUFFIXES

    answer = checks.run(lambda: load(options.run))
    # a run without a name, such as "." or "", has been refused by `load`
    beside = Path(options.run).with_suffix(".png") if Path(options.run).name else None
    path = checks.output or beside
    if path is not None:
        checks.run(lambda: probe(path, force=options.force, suffixes=(*SUFFIXES, *MOVING)))
    drawn, place = checks.passed(answer), checks.passed(path)
    if not drawn.figures():
        raise ResultFileError(f"{options.run}: {drawn.NOTHING}")
    drawn.plot(place, title_of(options))
    print(place)
    return EXIT_DONE
