"""What each command does with its options, and how its errors become messages and exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfpde.configuration import Configuration
    from mfpde.results.solve_result import SolveResult

EXIT_DONE, EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 0, 2, 3, 130, 141
EXIT_CODES = {"success": EXIT_DONE, "failed": EXIT_FAILED, "interrupted": EXIT_INTERRUPTED}


def run_command(options: argparse.Namespace) -> int:
    """Run the chosen command; an error in the input prints every message and gives 2."""
    from mfpde.configuration import ConfigurationError
    from mfpde.results.errors import OutputError, ResultFileError, RunOutputError
    from mfpde.solvers.time_loop import StepFailure

    commands = {"presets": _presets, "solve": _solve, "plot": _plot, "convergence": _convergence}
    try:
        return commands[options.command](options)
    except ConfigurationError as error:
        _complain(*error.messages)
        return EXIT_BAD_INPUT
    except RunOutputError as error:
        _complain(str(error))
        return EXIT_FAILED
    except StepFailure as failure:
        _complain(str(failure))
        return EXIT_FAILED
    except MemoryError as error:
        _complain(f"out of memory ({error}); write fewer solver.cells or save fewer times")
        return EXIT_FAILED
    except (ResultFileError, OutputError) as error:
        _complain(str(error))
        return EXIT_BAD_INPUT


def _complain(*messages: str) -> None:
    for message in messages:
        print(f"mfpde: {message}", file=sys.stderr)


def _presets(options: argparse.Namespace) -> int:
    from mfpde import presets
    from mfpde.configuration import ConfigurationError
    from mfpde.reading import nearest

    if options.name is None:
        width = max(len(name) for name in presets.names())
        for name in presets.names():
            print(f"{name:<{width}}  {presets.title(name)}")
        return EXIT_DONE
    if options.name not in presets.names():
        hint = nearest(options.name, presets.names())
        raise ConfigurationError([f"{options.name}: no such preset; did you mean {hint}? `mfpde presets` lists them"])
    print(presets.text(options.name), end="")
    return EXIT_DONE


def _configuration(options: argparse.Namespace) -> Configuration:
    from mfpde.sources import load_configuration

    scheme = [] if options.scheme is None else [f"solver.scheme={json.dumps(options.scheme)}"]
    return load_configuration(options.source, [*options.overrides, *scheme])


def _solve(options: argparse.Namespace) -> int:
    configuration = _configuration(options)
    folder = None if options.plot is None else Path(options.plot)
    if folder is not None:
        from mfpde.results.output import make_folder

        make_folder(folder)
    from mfpde.progress import ProgressBar
    from mfpde.studies.solve import solve

    bar = ProgressBar(options.quiet)
    try:
        result = solve(configuration, options.output, resume=options.resume, force=options.force, progress=bar)
    finally:
        bar.close()
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet:
        _print_table(result)
    if folder is not None and len(result.time):
        from mfpde.results.plotting import save_figures

        written = save_figures(result, folder)
        if not options.json and not options.quiet:
            print(f"figures: {', '.join(str(path) for path in written)}")
    if "message" in result.attributes:
        _complain(str(result.attributes["message"]))
    return EXIT_CODES[result.status]


def _plot(options: argparse.Namespace) -> int:
    from mfpde.results.netcdf import load
    from mfpde.results.output import probe
    from mfpde.results.plotting import SUFFIXES, plot

    result = load(options.run)
    path = Path(options.output) if options.output else Path(options.run).with_suffix(".png")
    probe(path, force=True, suffixes=SUFFIXES)
    plot(result, path)
    print(path)
    return EXIT_DONE


def _convergence(options: argparse.Namespace) -> int:
    configuration = _configuration(options)
    from mfpde.progress import ProgressBar
    from mfpde.studies.convergence import convergence

    bar = ProgressBar(options.quiet)
    try:
        result = convergence(configuration, levels=options.levels, progress=bar)
    finally:
        bar.close()
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet:
        print(result.table())
    if result.message:
        _complain(result.message)
    return EXIT_CODES[result.status]


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, allow_nan=False))


def _print_table(result: SolveResult, rows: int = 21) -> None:
    """Risk, its error and the moments at up to `rows` save times, the first and the last among them."""
    names = [f"{moment} {name}" for moment in ("mean", "var") for name in result.names]
    print(f"{'t':>10}  {'risk':>13}  {'error':>8}" + "".join(f"  {name:>11}" for name in names))
    count = len(result.time)
    chosen = sorted({round(index * (count - 1) / max(rows - 1, 1)) for index in range(rows)}) if count else []
    for index in chosen:
        moments = [*result.mean[index], *result.variance[index]]
        line = f"{result.time[index]:>10.4g}  {result.risk[index]:>13.8g}  {result.risk_error[index]:>8.1e}"
        print(line + "".join(f"  {value:>11.4g}" for value in moments))
    print(f"{result.scheme}, {result.status}, {result.wall_seconds:.2f} s")
