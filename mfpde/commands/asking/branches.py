"""The command `mfpde branches`."""

from __future__ import annotations

import argparse

from mfpde.commands.answers import check_options, deliver
from mfpde.commands.common import EXIT_CODES, EXIT_FAILED, Checks, check_plots, count, draw
from mfpde.commands.families import family_of
from mfpde.shell.process import complain

MOST_ATOMS = 3
VALUES, MOST_VALUES = 5, 1000
"""Values of the key where --vary gives no number, and most values."""


def run(options: argparse.Namespace) -> int:
    """Stationary laws along one key: in words or as JSON, in the file of -o, as a figure."""
    from mfpde.results.files.output import make_folder

    checks = Checks()
    radius = check_options(options, checks)
    most_atoms = checks.run(lambda: count("--atoms", options.atoms, MOST_ATOMS))
    folder = check_plots(options, checks)
    family = family_of(options, checks, VALUES, MOST_VALUES)
    if family is not None:
        from mfpde.studies.branches.branches import refuse

        checks.run(lambda: refuse(family))
    checks.report()
    assert family is not None
    assert most_atoms is not None
    if folder is not None:
        make_folder(folder)
    from mfpde.shell.progress import ProgressBar
    from mfpde.studies.branches.branches import branches
    from mfpde.studies.stationary.stationary import RADIUS

    bar = ProgressBar(options.quiet)
    try:
        found = branches(
            family.source,
            {variation.key: variation.values for variation in family.variations},
            overrides=family.overrides,
            radius=RADIUS if radius is None else radius,
            most_atoms=most_atoms,
            progress=bar,
        )
    except ArithmeticError as error:
        bar.close()
        complain(str(error))
        return EXIT_FAILED
    finally:
        bar.close()
    deliver(found, options)
    if folder is not None:
        from mfpde.results.figures.branches import save_branches

        draw(lambda: [save_branches(found, folder)], options)
    return EXIT_CODES[found.status]
