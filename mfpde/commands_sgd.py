"""The commands `mfpde sgd` and `mfpde compare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mfpde.commands import EXIT_CODES, Checks, _configuration, _count, _print_json, _use_threads
from mfpde.process import complain

if TYPE_CHECKING:
    from mfpde.results.sgd_result import SgdResult


def run_sgd(options: argparse.Namespace) -> int:
    """Replicas of SGD: risk curves on the screen, and in the file of -o."""
    from mfpde.progress import ProgressBar

    checks = Checks()
    workers = None if options.workers is None else checks.run(lambda: _count("--workers", options.workers, 10_000))
    configuration = checks.run(lambda: _configuration(options, solved=False))
    output = None if options.output is None else Path(options.output)
    from mfpde.studies.outputs import check_output
    from mfpde.studies.sgd import refuse, sgd

    if configuration is not None:
        checks.run(lambda: refuse(configuration))
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force))
    checks.report()
    assert configuration is not None
    bar = ProgressBar(options.quiet)
    try:
        result = sgd(configuration, output, resume=options.resume, force=options.force, workers=workers, progress=bar)
    finally:
        bar.close()
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet:
        _print_table(result)
    if "message" in result.attributes:
        complain(str(result.attributes["message"]))
    return EXIT_CODES[result.status]


def run_compare(options: argparse.Namespace) -> int:
    """The equation beside SGD: table, JSON, figures."""
    from mfpde.progress import ProgressBar
    from mfpde.results.errors import OutputError, RunOutputError
    from mfpde.results.output import make_folder, probe_folder

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: _use_threads(options.threads))
    workers = None if options.workers is None else checks.run(lambda: _count("--workers", options.workers, 10_000))
    configuration = checks.run(lambda: _configuration(options))
    folder = None if options.plot is None else Path(options.plot)
    if folder is not None:
        checks.run(lambda: probe_folder(folder))
    output = None if options.output is None else Path(options.output)
    from mfpde.studies.outputs import check_output
    from mfpde.studies.sgd import refuse

    if configuration is not None:
        checks.run(lambda: refuse(configuration))
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force))
    checks.report()
    assert configuration is not None
    if folder is not None:
        make_folder(folder)
    from mfpde.studies.compare import compare

    bar = ProgressBar(options.quiet)
    try:
        result = compare(
            configuration,
            output,
            resume=options.resume,
            force=options.force,
            workers=workers,
            coupled=not options.no_coupled,
            progress=bar,
        )
    finally:
        bar.close()
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet and result.status == "success":
        print(result.table())
    if folder is not None and result.status == "success":
        from mfpde.results.compare_plotting import save_comparison

        try:
            written = save_comparison(result, folder)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
        if not options.json and not options.quiet:
            print(f"figures: {', '.join(str(path) for path in written)}")
    for part in (result.pde, result.sgd):
        if "message" in part.attributes:
            complain(str(part.attributes["message"]))
    return EXIT_CODES[result.status]


def _print_table(result: SgdResult, rows: int = 21) -> None:
    """Mean and spread of the risk over the replicas, and of the coordinates' means."""
    print(f"{'t':>10}  {'R_N mean':>12}  {'std':>8}" + "".join(f"  {'mean ' + name:>11}" for name in result.names))
    count = len(result.time)
    for index in sorted({round(k * (count - 1) / max(rows - 1, 1)) for k in range(rows)}):
        risk = result.risk[:, index]
        moments = "".join(f"  {value:>11.4g}" for value in result.mean[:, index].mean(axis=0))
        print(f"{result.time[index]:>10.4g}  {risk.mean():>12.8g}  {risk.std():>8.1e}{moments}")
    replicas, _, neurons, _ = result.position.shape
    rate = replicas * result.steps / max(result.wall_seconds, 1e-9)
    text = f"SGD, {neurons} neurons, {replicas} replica{'s' * (replicas > 1)} of {result.steps} steps"
    print(f"{text}, {result.status}, {result.wall_seconds:.2f} s ({rate:.3g} steps/s)")
