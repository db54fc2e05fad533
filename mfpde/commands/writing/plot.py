"""The command `mfpde plot`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfpde.commands.checks import Checks
from mfpde.commands.driver import EXIT_DONE

HELP = "draw a result file"
PLACE = 2
FIGURES = "FIGURE.png|.pdf|.svg|.gif|.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and the figure."""
    parser.add_argument("run", metavar="RUN.nc", help="a file that `mfpde solve -o` made")
    parser.add_argument("-o", "--output", metavar=FIGURES, help="the figure (default: RUN.png)")
    parser.add_argument("--force", action="store_true", help="replace the figure if it exists")


def run(options: argparse.Namespace) -> int:
    """Draw a result file."""
    from mfpde.errors import ResultFileError
    from mfpde.results.figures.plot import SUFFIXES, plot
    from mfpde.results.files.netcdf import load
    from mfpde.shell.files import probe

    checks = Checks(options)
    result = checks.run(lambda: load(options.run))
    # a run without a name, such as "." or "", has been refused by `load`
    beside = Path(options.run).with_suffix(".png") if Path(options.run).name else None
    path = checks.output or beside
    if path is not None:
        checks.run(lambda: probe(path, force=options.force, suffixes=SUFFIXES))
    drawn, place = checks.passed(result), checks.passed(path)
    if not len(drawn.time):
        raise ResultFileError(f"{options.run}: holds no save time yet; continue it with `mfpde solve --resume`")
    plot(drawn, place)
    print(place)
    return EXIT_DONE
