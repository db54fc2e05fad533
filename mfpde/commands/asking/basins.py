"""The command `mfpde basins`."""

from __future__ import annotations

import argparse

from mfpde.commands.common import (
    EXIT_CODES,
    Checks,
    check_plots,
    check_workers,
    draw,
    path_of,
    radius_of,
    show,
    use_threads,
)
from mfpde.commands.families import family_of
from mfpde.shell.process import complain

COUNT, MOST = 20, 1000
"""Values of a key where --vary gives no number, and most values."""


def run(options: argparse.Namespace) -> int:
    """Sweep and label: table or JSON, the file of -o and the figure."""
    from mfpde.results.files.output import make_folder
    from mfpde.studies.basins.basins import basins, tasks_of
    from mfpde.studies.run.outputs import check_output

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    radius = None if options.radius is None else checks.run(lambda: radius_of(options.radius))
    workers = check_workers(options, checks)
    family = family_of(options, checks, COUNT, MOST)
    if family is not None:
        checks.run(lambda: tasks_of(family, radius))
    plots = check_plots(options, checks)
    output = path_of(options.output)
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force, kind="OUT.json"))
    checks.report()
    assert family is not None
    if plots is not None:
        make_folder(plots)
    from mfpde.shell.progress import ProgressBar

    bar = ProgressBar(options.quiet)
    try:
        result = basins(
            family.source,
            {variation.key: variation.values for variation in family.variations},
            output,
            overrides=family.overrides,
            radius=radius,
            workers=workers,
            scheduler=options.scheduler,
            resume=options.resume,
            force=options.force,
            progress=bar,
        )
    finally:
        bar.close()
    show(result, options)
    if plots is not None and result.laws:
        from mfpde.results.figures.basins import save_basins

        draw(lambda: save_basins(result, plots), options)
    if result.message:
        complain(*result.message.splitlines())
    return EXIT_CODES[result.status]
