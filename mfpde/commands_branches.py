"""The command `mfpde branches`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mfpde.commands import EXIT_DONE, EXIT_FAILED, Checks, _count
from mfpde.commands_stationary import common_options, deliver
from mfpde.process import complain

if TYPE_CHECKING:
    from mfpde.variation import Family

MOST_SEEDS = 1000
MOST_ATOMS = 3


def run_branches(options: argparse.Namespace) -> int:
    """Stationary laws along one key: in words or as JSON, in the file of -o, as a figure."""
    from mfpde.results.output import make_folder, probe_folder

    checks = Checks()
    radius = checks.run(lambda: common_options(options, checks))
    seeds = checks.run(lambda: _count("--seeds", options.seeds, MOST_SEEDS))
    most_atoms = checks.run(lambda: _count("--atoms", options.atoms, MOST_ATOMS))
    folder = None if options.plot is None else Path(options.plot)
    if folder is not None:
        checks.run(lambda: probe_folder(folder))
    family = checks.run(lambda: _family(options))
    checks.report()
    assert family is not None
    assert seeds is not None
    assert most_atoms is not None
    if folder is not None:
        make_folder(folder)
    from mfpde.progress import ProgressBar
    from mfpde.studies.branches import branches
    from mfpde.studies.stationary import RADIUS

    bar = ProgressBar(options.quiet)
    try:
        found = branches(
            family.source,
            {variation.key: variation.values for variation in family.variations},
            overrides=family.overrides,
            radius=RADIUS if radius is None else radius,
            seeds=max(seeds, 2),
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
        from mfpde.results.branches_plotting import save_branches
        from mfpde.results.errors import OutputError, RunOutputError

        try:
            written = save_branches(found, folder)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
        if not options.json and not options.quiet:
            print(f"figure: {written}")
    return EXIT_DONE


def _family(options: argparse.Namespace) -> Family:
    """The family that the options describe, once it is known that its branches can be followed."""
    from mfpde.studies.branches import refuse
    from mfpde.variation import Family, read_variation

    scheme = [] if options.scheme is None else [f"solver.scheme={options.scheme}"]
    variations = tuple(read_variation(text, 2, 1000) for text in options.vary)
    family = Family(options.source, (*options.overrides, *scheme), variations)
    refuse(family)
    return family
