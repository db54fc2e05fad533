"""The command `mfpde solve`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mfpde.commands.common import (
    EXIT_CODES,
    Checks,
    check_plots,
    configuration_of,
    draw,
    path_of,
    print_json,
    use_threads,
)
from mfpde.shell.process import complain

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult


def run(options: argparse.Namespace) -> int:
    """Solve: table or JSON, the file of -o and the figures."""
    from mfpde.errors import RunOutputError
    from mfpde.results.files.output import make_folder

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    configuration = checks.run(lambda: configuration_of(options))
    folder = check_plots(options, checks)
    from mfpde.studies.run.outputs import check_output

    output = path_of(options.output)
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force))
    checks.report()
    assert configuration is not None
    if folder is not None:
        make_folder(folder)
    from mfpde.shell.progress import ProgressBar
    from mfpde.studies.solve import solve

    bar = ProgressBar(options.quiet)
    try:
        result = solve(configuration, output, resume=options.resume, force=options.force, progress=bar)
    except RunOutputError as error:
        bar.close()
        if error.result is not None:
            _print_result(error.result, options)
        raise
    finally:
        bar.close()
    _print_result(result, options)
    if folder is not None and len(result.time):
        from mfpde.results.figures.plot import save_figures

        draw(lambda: save_figures(result, folder), options)
    if "message" in result.attributes:
        complain(*str(result.attributes["message"]).splitlines())
    return EXIT_CODES[result.status]


def _print_result(result: SolveResult, options: argparse.Namespace) -> None:
    if options.json:
        print_json(result.to_json())
    elif not options.quiet:
        _print_table(result)


def _print_table(result: SolveResult, rows: int = 21) -> None:
    """Risk, its error and the moments at up to `rows` save times, the first and the last among them."""
    import numpy as np

    names = [f"{moment} {name}" for moment in ("mean", "var") for name in result.names]
    print(f"{'t':>10}  {'risk':>13}  {'error':>8}" + "".join(f"  {name:>11}" for name in names))
    count = len(result.time)
    chosen = sorted({round(index * (count - 1) / max(rows - 1, 1)) for index in range(rows)}) if count else []
    for index in chosen:
        moments = [*result.mean[index], *result.variance[index]]
        line = f"{result.time[index]:>10.4g}  {result.risk[index]:>13.8g}  {result.risk_error[index]:>8.1e}"
        print(line + "".join(f"  {value:>11.4g}" for value in moments))
    if count and np.isfinite(result.balance[-1]):
        energy = f"F = {result.free_energy[-1]:.8g}, dissipated since t = 0: {result.dissipated[-1]:.8g}"
        print(f"{energy}, |F - F(0) + dissipated| up to {np.nanmax(result.balance):.1e}")
    if result.residual is not None:
        print(f"largest duality gap of a step: {np.nanmax(result.residual):.1e}")
    print(f"{result.scheme}, {result.status}, {result.wall_seconds:.2f} s")
