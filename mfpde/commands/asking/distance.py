"""The command `mfpde distance`."""

from __future__ import annotations

import argparse
import math
from functools import partial

from mfpde.commands.common import EXIT_DONE, EXIT_FAILED, Checks, print_json
from mfpde.shell.process import complain


def run(options: argparse.Namespace) -> int:
    """W2 between the laws of two results."""
    from mfpde.errors import ConfigurationError
    from mfpde.results.files.netcdf import load
    from mfpde.studies.distance import distance

    def both_or_each() -> None:
        if options.time is not None and (options.time_a is not None or options.time_b is not None):
            raise ConfigurationError(["--time stands for --time-a and --time-b: write either it or those"])

    checks = Checks()
    checks.run(both_or_each)
    chosen: dict[str, float | None] = {}
    for name, text in (("--time", options.time), ("--time-a", options.time_a), ("--time-b", options.time_b)):
        chosen[name] = None if text is None else checks.run(partial(_time, name, text))
    first, second = (checks.run(partial(load, path)) for path in (options.first, options.second))
    checks.report()
    assert first is not None
    assert second is not None
    times = (chosen["--time"], chosen["--time"]) if options.time else (chosen["--time-a"], chosen["--time-b"])
    try:
        found = distance(first, second, times)
    except ArithmeticError as error:
        complain(str(error))
        return EXIT_FAILED
    if options.json:
        print_json(found.to_json())
    else:
        print(found.text())
    return EXIT_DONE


def _time(option: str, text: str) -> float:
    """The finite number >= 0 that an option was given."""
    from mfpde.errors import ConfigurationError
    from mfpde.keys.reader import one_line

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 <= value < math.inf):
        raise ConfigurationError([f"{option} {one_line(text)}: is not a finite time, 0 or later; write {option} 1.5"])
    return value
