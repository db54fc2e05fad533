"""The command `mfpde report`."""

from __future__ import annotations

import argparse
from functools import partial

from mfpde.commands.checks import Checks, refuse
from mfpde.commands.driver import carry_out
from mfpde.commands.options import add_output, add_source
from mfpde.shell.environment import refuse_drawing

HELP = "one problem as a whole on a page that opens in any browser: schemes, optimum, stationary laws, SGD"
LESS = "--quick, or a larger solver.tolerance"
PLACE = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, the page, and how long it may take."""
    add_source(parser)
    add_output(
        parser,
        "REPORT.html",
        "write the page to this file",
        "keep the parts of an interrupted report",
        "replace the page",
    )
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--quick", action="store_true", help="what a minute on two cores allows (the default)")
    time.add_argument("--full", action="store_true", help="every part at the problem's own tolerance, however long")


def run(options: argparse.Namespace) -> int:
    """Compute the parts and write the page."""
    from mfpde.shell.files import probe
    from mfpde.studies.report.report import folder_of, report

    checks = Checks(options)
    checks.run(refuse_drawing)
    experiment = checks.experiment(solved=False)
    page = checks.output
    if page is None:
        checks.run(lambda: refuse("-o: missing; write for example -o report.html"))
    else:
        left = options.resume and folder_of(page).exists()
        checks.run(lambda: probe(page, force=options.force or left, suffixes=(".html",)))
    ready, place = checks.passed(experiment), checks.passed(page)
    title = str(options.source) if options.source != "-" else "an experiment"
    kept = {"full": options.full, "force": options.force, "resume": options.resume}
    return carry_out(partial(report, title=title, **kept), checks, ready, place)
