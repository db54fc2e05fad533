"""The command `mfpde basins`."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mfpde.commands import EXIT_CODES, Checks, _count, _positive, _print_json, _use_threads
from mfpde.process import complain

if TYPE_CHECKING:
    from mfpde.variation import Variation

COUNT, MOST = 20, 1000
"""Values of a key where --vary gives no number, and most values."""


def run_basins(options: argparse.Namespace) -> int:
    """Sweep and label: table or JSON, the file of -o and the figure."""
    from mfpde.results.output import make_folder, probe_folder
    from mfpde.studies.basins import basins, tasks_of
    from mfpde.studies.outputs import check_output
    from mfpde.variation import Family

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: _use_threads(options.threads))
    radius = None if options.radius is None else checks.run(lambda: _positive("--radius", options.radius))
    workers = None if options.workers is None else checks.run(lambda: _count("--workers", options.workers, 10_000))
    if options.workers is not None and options.scheduler is not None:
        checks.run(lambda: _refuse("--workers and --scheduler exclude each other: write one of them"))
    overrides = [*options.overrides]
    if options.scheme is not None:
        overrides.append(f"solver.scheme={json.dumps(options.scheme)}")
    variations = [checks.run(partial(_variation, text)) for text in options.vary]
    read = [variation for variation in variations if variation is not None]
    if len(read) == len(variations):
        checks.run(lambda: tasks_of(Family(options.source, tuple(overrides), tuple(read)), radius))
    plots = None if options.plot is None else Path(options.plot)
    if plots is not None:
        checks.run(lambda: probe_folder(plots))
    output = None if options.output is None else Path(options.output)
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force, kind="OUT.json"))
    checks.report()
    if plots is not None:
        make_folder(plots)
    from mfpde.progress import ProgressBar

    bar = ProgressBar(options.quiet)
    try:
        result = basins(
            options.source,
            {variation.key: variation.values for variation in read},
            output,
            overrides=overrides,
            radius=radius,
            workers=workers,
            scheduler=options.scheduler,
            resume=options.resume,
            force=options.force,
            progress=bar,
        )
    finally:
        bar.close()
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet:
        print(result.table())
    if plots is not None and result.laws:
        from mfpde.results.basins_plotting import save_basins
        from mfpde.results.errors import OutputError, RunOutputError

        try:
            written = save_basins(result, plots)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
        if not options.json and not options.quiet:
            print(f"figures: {', '.join(str(path) for path in written)}")
    if result.message:
        complain(*result.message.splitlines())
    return EXIT_CODES[result.status]


def _refuse(*messages: str) -> None:
    from mfpde.configuration import ConfigurationError

    raise ConfigurationError(list(messages))


def _variation(text: str) -> Variation:
    from mfpde.variation import read_variation

    return read_variation(text, COUNT, MOST)
