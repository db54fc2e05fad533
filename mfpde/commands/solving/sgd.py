"""The command `mfpde sgd`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mfpde.commands.common import (
    EXIT_CODES,
    Checks,
    check_workers,
    configuration_of,
    path_of,
    print_json,
    use_threads,
)
from mfpde.shell.process import complain

if TYPE_CHECKING:
    from mfpde.results.answers.sgd import SgdResult


def run(options: argparse.Namespace) -> int:
    """Replicas of SGD: risk curves on the screen, and in the file of -o."""
    from mfpde.shell.progress import ProgressBar

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    workers = check_workers(options, checks)
    configuration = checks.run(lambda: configuration_of(options, solved=False))
    output = path_of(options.output)
    from mfpde.studies.run.outputs import check_output
    from mfpde.studies.sgd.replicas import refuse, sgd

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
        print_json(result.to_json())
    elif not options.quiet:
        _print_table(result)
    if "message" in result.attributes:
        complain(str(result.attributes["message"]))
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
