"""The command `mfpde bounds`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

from mfpde.commands.common import (
    EXIT_CODES,
    Checks,
    Number,
    check_plots,
    check_workers,
    configuration_of,
    count,
    draw,
    path_of,
    show,
    use_threads,
)
from mfpde.shell.process import complain

LARGEST = 10**7


def run(options: argparse.Namespace) -> int:
    """Sweep, fit and judge: tables or JSON, figure, and the folder of -o."""
    from mfpde.results.files.output import make_folder

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    whole: Callable[[str, str], int] = partial(count, most=LARGEST)
    neurons = checks.run(lambda: _values("--neurons", options.neurons, whole))
    steps = checks.run(lambda: _values("--step-sizes", options.step_sizes, _step))
    dims = checks.run(lambda: _values("--dims", options.dims, whole))
    replicas = None if options.replicas is None else checks.run(lambda: count("--replicas", options.replicas, 10**5))
    workers = check_workers(options, checks)
    configuration = checks.run(lambda: configuration_of(options, solved=False))
    plots = check_plots(options, checks)
    output = path_of(options.output)
    from mfpde.studies.bounds.bounds import bounds
    from mfpde.studies.bounds.design import make_design
    from mfpde.studies.bounds.folder import check_folder

    if configuration is not None:
        checks.run(lambda: make_design(configuration, neurons, steps, dims, replicas))
    checks.run(lambda: check_folder(output, configuration, resume=options.resume, force=options.force))
    checks.report()
    assert configuration is not None
    if plots is not None:
        make_folder(plots)
    from mfpde.shell.progress import ProgressBar

    bar = ProgressBar(options.quiet)
    try:
        result = bounds(
            configuration,
            neurons,
            steps,
            dims,
            replicas,
            output,
            workers=workers,
            scheduler=options.scheduler,
            resume=options.resume,
            force=options.force,
            progress=bar,
        )
    finally:
        bar.close()
    show(result, options)
    if plots is not None and result.series:
        from mfpde.results.figures.bounds import save_bounds

        draw(lambda: save_bounds(result, plots), options)
    if result.message:
        complain(*result.message.splitlines())
    return EXIT_CODES[result.status]


def _values(option: str, text: str | None, read: Callable[[str, str], Number]) -> tuple[Number, ...] | None:
    """The numbers of a comma list, None where the option was not given; names every one that is none."""
    from mfpde.errors import ConfigurationError

    if text is None:
        return None
    found: list[Number] = []
    problems: list[str] = []
    for part in text.split(","):
        try:
            found.append(read(option, part.strip()))
        except ConfigurationError as error:
            problems += error.messages
    if problems:
        raise ConfigurationError(problems)
    return tuple(found)


def _step(option: str, text: str) -> float:
    """A finite step size above 0."""
    from mfpde.errors import ConfigurationError
    from mfpde.keys.reader import one_line

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 < value < math.inf):
        raise ConfigurationError([f"{option} {one_line(text)}: is not a step above 0; write {option} 1e-4,4e-4"])
    return value
