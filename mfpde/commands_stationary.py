"""The command `mfpde stationary`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mfpde.commands import EXIT_DONE, EXIT_FAILED, Checks, _configuration, _positive, _use_threads
from mfpde.process import complain


def run_stationary(options: argparse.Namespace) -> int:
    """The stationary laws of the source: in words on the screen, as JSON there or in the file of -o."""
    from mfpde.results.errors import OutputError, RunOutputError
    from mfpde.results.output import probe, write_atomically

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: _use_threads(options.threads))
    radius = None if options.radius is None else checks.run(lambda: _positive("--radius", options.radius))
    configuration = checks.run(lambda: _configuration(options, solved=False))
    output = None if options.output is None else Path(options.output)
    if output is not None:
        checks.run(lambda: probe(output, force=options.force))
    checks.report()
    assert configuration is not None
    from mfpde.studies.stationary import RADIUS, stationary

    try:
        found = stationary(configuration, RADIUS if radius is None else radius)
    except ArithmeticError as error:
        complain(str(error))
        return EXIT_FAILED
    text = json.dumps(found.to_json(), allow_nan=False)
    if output is not None:

        def write(place: Path) -> None:
            place.write_text(text + "\n", encoding="utf-8")

        try:
            write_atomically(output, write)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
    if options.json:
        print(text)
    elif not options.quiet:
        print(found.table())
    return EXIT_DONE
