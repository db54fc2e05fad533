"""The command `mfpde convergence`."""

from __future__ import annotations

import argparse

from mfpde.commands.common import EXIT_CODES, Checks, configuration_of, count, show, use_threads
from mfpde.shell.process import complain

# From 1e-2 in steps of 1e-2 the last level of characteristics then has the smallest tolerance there is.
MAXIMUM_LEVELS = 6


def run(options: argparse.Namespace) -> int:
    """Refine, and print the observed orders."""
    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    levels = checks.run(lambda: count("--levels", options.levels, MAXIMUM_LEVELS))
    schemes = None if options.schemes is None else checks.run(lambda: _schemes(options))
    configuration = checks.run(lambda: configuration_of(options, solved=options.schemes is None))
    checks.report()
    assert configuration is not None
    assert levels is not None
    from mfpde.shell.progress import ProgressBar
    from mfpde.studies.convergence import convergence

    bar = ProgressBar(options.quiet)
    try:
        result = convergence(configuration, levels=levels, progress=bar, schemes=schemes)
    finally:
        bar.close()
    show(result, options)
    if result.message:
        complain(*result.message.splitlines())
    return EXIT_CODES[result.status]


def _schemes(options: argparse.Namespace) -> tuple[str, ...]:
    """The schemes that --schemes names."""
    from mfpde.errors import ConfigurationError
    from mfpde.studies.convergence import chosen_schemes

    if options.scheme is not None:
        raise ConfigurationError(["--schemes replaces --scheme: write only one of them"])
    return chosen_schemes(options.schemes)
