"""What each command does with its options, and how its errors become messages and exit codes."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mfpde.process import complain

if TYPE_CHECKING:
    from mfpde.configuration import Configuration
    from mfpde.results.solve_result import SolveResult

EXIT_DONE, EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 0, 2, 3, 130, 141
EXIT_CODES = {"success": EXIT_DONE, "failed": EXIT_FAILED, "interrupted": EXIT_INTERRUPTED}
Value = TypeVar("Value")
# From 1e-2 in steps of 1e-2 the last level of characteristics then has the smallest tolerance there is.
MAXIMUM_LEVELS = 6


def run_command(options: argparse.Namespace) -> int:
    """Run the chosen command; an error in the input prints every message and gives 2."""
    from mfpde.configuration import ConfigurationError
    from mfpde.results.errors import OutputError, ResultFileError, RunOutputError
    from mfpde.solvers.time_loop import StepFailure

    commands = {
        "presets": _presets,
        "solve": _solve,
        "plot": _plot,
        "convergence": _convergence,
        "distance": _distance,
        "optimum": _optimum,
        "stationary": _stationary,
        "branches": _branches,
        "sgd": _sgd,
        "compare": _compare,
        "bounds": _bounds,
        "basins": _basins,
    }
    try:
        return commands[options.command](options)
    except ConfigurationError as error:
        complain(*error.messages)
        return EXIT_BAD_INPUT
    except RunOutputError as error:
        complain(str(error))
        return EXIT_FAILED
    except StepFailure as failure:
        complain(str(failure))
        return EXIT_FAILED
    except MemoryError as error:
        complain(f"out of memory ({error}); write fewer solver.cells or save fewer times")
        return EXIT_FAILED
    except (ResultFileError, OutputError) as error:
        complain(str(error))
        return EXIT_BAD_INPUT


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


class Checks:
    """Runs checks of the input one after the other, so that every problem is named at once."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def run(self, check: Callable[[], Value]) -> Value | None:
        """What `check` returns, None where it finds a problem."""
        from mfpde.configuration import ConfigurationError
        from mfpde.results.errors import OutputError, ResultFileError

        try:
            return check()
        except ConfigurationError as error:
            self._problems += error.messages
        except (OutputError, ResultFileError) as error:
            self._problems.append(str(error))
        return None

    def report(self) -> None:
        """Raise ConfigurationError with every problem found."""
        from mfpde.configuration import ConfigurationError

        if self._problems:
            raise ConfigurationError(self._problems)


def _configuration(options: argparse.Namespace, solved: bool = True) -> Configuration:
    """The configuration that the options describe, once a scheme can do it where it is to be `solved`."""
    from mfpde.configuration import ConfigurationError
    from mfpde.sources import load_configuration
    from mfpde.studies.support import unsupported

    scheme = [] if options.scheme is None else [f"solver.scheme={json.dumps(options.scheme)}"]
    until = getattr(options, "until", None)
    ending = [] if until is None else [f"time.until={json.dumps(until)}"]
    problems: list[str] = []
    try:
        configuration = load_configuration(options.source, [*options.overrides, *scheme, *ending])
    except ConfigurationError as error:
        problems += error.messages
        found = error.configuration
    else:
        found = configuration
    problems += unsupported(found) if found is not None and solved else []
    if problems:
        raise ConfigurationError(problems)
    return configuration


def _count(option: str, text: str, most: int = 10**9) -> int:
    """The whole number from 1 to `most` that an option was given."""
    from mfpde.configuration import ConfigurationError
    from mfpde.reading import one_line

    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= most):
        message = f"{option} {one_line(text)}: is not a whole number above 0"
        raise ConfigurationError([f"{message}, at most {most}; write for example {option} 2"])
    return int(text)


def _use_threads(text: str) -> None:
    """Let the compiled kernels use that many threads."""
    count = _count("--threads", text)
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(count)
        return
    import numba

    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


def _solve(options: argparse.Namespace) -> int:
    from mfpde.results.errors import OutputError, RunOutputError
    from mfpde.results.output import make_folder, probe_folder

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: _use_threads(options.threads))
    configuration = checks.run(lambda: _configuration(options))
    folder = None if options.plot is None else Path(options.plot)
    if folder is not None:
        checks.run(lambda: probe_folder(folder))
    from mfpde.studies.outputs import check_output

    output = None if options.output is None else Path(options.output)
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force))
    checks.report()
    assert configuration is not None
    if folder is not None:
        make_folder(folder)
    from mfpde.progress import ProgressBar
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
        from mfpde.results.plotting import save_figures

        try:
            written = save_figures(result, folder)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
        if not options.json and not options.quiet:
            print(f"figures: {', '.join(str(path) for path in written)}")
    if "message" in result.attributes:
        complain(*str(result.attributes["message"]).splitlines())
    return EXIT_CODES[result.status]


def _print_result(result: SolveResult, options: argparse.Namespace) -> None:
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet:
        _print_table(result)


def _plot(options: argparse.Namespace) -> int:
    from mfpde.results.errors import ResultFileError
    from mfpde.results.netcdf import load
    from mfpde.results.output import probe
    from mfpde.results.plotting import SUFFIXES, plot

    checks = Checks()
    result = checks.run(lambda: load(options.run))
    path = Path(options.output) if options.output is not None else Path(options.run).with_suffix(".png")
    checks.run(lambda: probe(path, force=options.force, suffixes=SUFFIXES))
    checks.report()
    assert result is not None
    if not len(result.time):
        raise ResultFileError(f"{options.run}: holds no save time yet; continue it with `mfpde solve --resume`")
    plot(result, path)
    print(path)
    return EXIT_DONE


def _convergence(options: argparse.Namespace) -> int:
    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: _use_threads(options.threads))
    levels = checks.run(lambda: _count("--levels", options.levels, MAXIMUM_LEVELS))
    schemes = None if options.schemes is None else checks.run(lambda: _schemes(options))
    configuration = checks.run(lambda: _configuration(options, solved=options.schemes is None))
    checks.report()
    assert configuration is not None
    assert levels is not None
    from mfpde.progress import ProgressBar
    from mfpde.studies.convergence import convergence

    bar = ProgressBar(options.quiet)
    try:
        result = convergence(configuration, levels=levels, progress=bar, schemes=schemes)
    finally:
        bar.close()
    if options.json:
        _print_json(result.to_json())
    elif not options.quiet:
        print(result.table())
    if result.message:
        complain(*result.message.splitlines())
    return EXIT_CODES[result.status]


def _schemes(options: argparse.Namespace) -> tuple[str, ...]:
    """The schemes that --schemes names."""
    from mfpde.configuration import ConfigurationError
    from mfpde.studies.convergence import chosen_schemes

    if options.scheme is not None:
        raise ConfigurationError(["--schemes replaces --scheme: write only one of them"])
    return chosen_schemes(options.schemes)


def _optimum(options: argparse.Namespace) -> int:
    from mfpde.commands_stationary import run_optimum

    return run_optimum(options)


def _distance(options: argparse.Namespace) -> int:
    from mfpde.configuration import ConfigurationError
    from mfpde.results.netcdf import load
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
        _print_json(found.to_json())
    else:
        print(found.text())
    return EXIT_DONE


def _time(option: str, text: str) -> float:
    """The finite number >= 0 that an option was given."""
    from mfpde.configuration import ConfigurationError
    from mfpde.reading import one_line

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 <= value < math.inf):
        raise ConfigurationError([f"{option} {one_line(text)}: is not a finite time, 0 or later; write {option} 1.5"])
    return value


def _stationary(options: argparse.Namespace) -> int:
    from mfpde.commands_stationary import run_stationary

    return run_stationary(options)


def _branches(options: argparse.Namespace) -> int:
    from mfpde.commands_branches import run_branches

    return run_branches(options)


def _sgd(options: argparse.Namespace) -> int:
    from mfpde.commands_sgd import run_sgd

    return run_sgd(options)


def _compare(options: argparse.Namespace) -> int:
    from mfpde.commands_sgd import run_compare

    return run_compare(options)


def _bounds(options: argparse.Namespace) -> int:
    from mfpde.commands_bounds import run_bounds

    return run_bounds(options)


def _basins(options: argparse.Namespace) -> int:
    from mfpde.commands_basins import run_basins

    return run_basins(options)


def _positive(option: str, text: str) -> float:
    """The finite number above 0 that an option was given."""
    from mfpde.configuration import ConfigurationError
    from mfpde.reading import one_line

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 < value < math.inf):
        raise ConfigurationError([f"{option} {one_line(text)}: is not a finite number above 0; write {option} 10"])
    return value


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, allow_nan=False))


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
