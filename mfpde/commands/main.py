"""The command line: `mfpde COMMAND`. Nothing heavy is imported before a command needs it.

Exit codes: 0 done, 2 bad input, 3 the run failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from mfpde import __version__
from mfpde.commands import run_command
from mfpde.commands.common import EXIT_BROKEN_PIPE, EXIT_FAILED, EXIT_INTERRUPTED
from mfpde.shell.process import abandon_output, accept_any_text, complain, termination_interrupts

FIGURES = "FIGURE.png|.pdf|.svg|.gif|.mp4"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    accept_any_text()
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our output has gone: leave without a second complaint at interpreter exit.
        abandon_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        place = error.filename or "standard output"
        complain(f"{place}: cannot be written ({error.strerror or error}); free space there or name another place")
        abandon_output()
        return EXIT_FAILED


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    # The compiled kernels are the parallel part; BLAS on one thread gives the same sums on every machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with termination_interrupts():
            return run_command(options)
    except KeyboardInterrupt:
        complain("interrupted before anything was computed")
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mfpde",
        description="Mean-field PDEs of two-layer networks, reduced by symmetry and solved.",
        epilog="SOURCE is a TOML file or the name of a preset; `mfpde presets` lists the presets.",
    )
    parser.add_argument("--version", action="version", version=f"mfpde {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    presets = commands.add_parser("presets", help="list the built-in experiments, or print one as TOML")
    presets.add_argument("name", nargs="?", metavar="NAME", help="the preset to print")

    solve = commands.add_parser("solve", help="solve the reduced dynamics")
    _add_source(solve)
    solve.add_argument("-o", "--output", metavar="RUN.nc", help="write the result to this file")
    solve.add_argument("--resume", action="store_true", help="continue the file of -o")
    solve.add_argument("--force", action="store_true", help="replace the file of -o if it exists")
    solve.add_argument(
        "--until",
        metavar="stationary",
        help="stop once the dissipation is small; short for --set time.until=stationary",
    )
    solve.add_argument("--plot", metavar="DIR", help="write the figures to this folder")

    plot = commands.add_parser("plot", help="draw a result file")
    plot.add_argument("run", metavar="RUN.nc", help="a file that `mfpde solve -o` made")
    plot.add_argument("-o", "--output", metavar=FIGURES, help="the figure (default: RUN.png)")
    plot.add_argument("--force", action="store_true", help="replace the figure if it exists")

    convergence = commands.add_parser("convergence", help="refine grid and step, print the observed orders")
    _add_source(convergence)
    convergence.add_argument("--levels", default="4", metavar="L", help="number of runs, coarse to fine (default 4)")
    convergence.add_argument(
        "--schemes", metavar="all|S,S", help="one table for these schemes, instead of that of the source"
    )

    distance = commands.add_parser("distance", help="the Wasserstein distance W2 between the laws of two results")
    distance.add_argument("first", metavar="A.nc", help="a file that `mfpde solve -o` made")
    distance.add_argument("second", metavar="B.nc", help="another one, or the same for two times of it")
    distance.add_argument("--time", metavar="T", help="save time of both laws (default: the last of each)")
    distance.add_argument("--time-a", metavar="T", help="save time of the law of A.nc")
    distance.add_argument("--time-b", metavar="T", help="save time of the law of B.nc")
    distance.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    sgd = commands.add_parser("sgd", help="run stochastic gradient descent, with exact risk curves")
    _add_source(sgd)
    _add_replicas(sgd)

    compare = commands.add_parser("compare", help="solve the equation beside SGD, and say how far they are apart")
    _add_source(compare)
    _add_replicas(compare)
    compare.add_argument("--plot", metavar="DIR", help="write the figures to this folder")
    compare.add_argument("--no-coupled", action="store_true", help="leave out the four coupled dynamics")

    bounds = commands.add_parser("bounds", help="how far SGD is from the equation, against N, step size and dimension")
    _add_source(bounds)
    _add_sweep(bounds)

    optimum = commands.add_parser("optimum", help="the law of least free energy, with a certified lower bound")
    _add_source(optimum)
    optimum.add_argument(
        "--radius",
        metavar="R",
        help="search the box 0 <= r_j <= R, -R <= a, b <= R (default: 10; with noise, one that holds the law)",
    )
    optimum.add_argument("-o", "--output", metavar="OUT.json", help="write the JSON object to this file")
    optimum.add_argument("--force", action="store_true", help="replace the file of -o if it exists")

    stationary = commands.add_parser(
        "stationary", help="every stationary law on few atoms with its class, or where a run ends"
    )
    _add_source(stationary, optional=True)
    stationary.add_argument(
        "--from", dest="run", metavar="RUN.nc", help="instead of SOURCE: where this run of solve or sgd ends"
    )
    stationary.add_argument("--radius", metavar="R", help="search the box 0 <= r_j <= R (default 10)")
    stationary.add_argument("-o", "--output", metavar="OUT.json", help="write the JSON object to this file")
    stationary.add_argument("--force", action="store_true", help="replace the file of -o if it exists")

    branches = commands.add_parser(
        "branches", help="stationary laws followed in a parameter: folds, stability, optimality"
    )
    _add_source(branches)
    branches.add_argument(
        "--vary",
        metavar="K=LOW:HIGH[:COUNT]",
        action="append",
        required=True,
        help="the key and its range, data.delta=0.1:0.9; at COUNT values (default 5) laws are searched for",
    )
    branches.add_argument("--radius", metavar="R", help="follow laws on the box 0 <= r_j <= R (default 10)")
    branches.add_argument("--atoms", metavar="K", default="2", help="follow laws on up to K atoms, 1 to 3 (default 2)")
    branches.add_argument("-o", "--output", metavar="OUT.json", help="write the JSON object to this file")
    branches.add_argument("--force", action="store_true", help="replace the file of -o if it exists")
    branches.add_argument("--plot", metavar="DIR", help="write the figure to this folder")

    basins = commands.add_parser("basins", help="which initial value, or value of any key, leads to which law")
    _add_source(basins)
    _add_basins(basins)
    return parser


def _add_basins(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="K=LOW:HIGH:COUNT",
        help="a key and its values, also K=V,V,...; once or twice",
    )
    parser.add_argument(
        "--radius", metavar="R", help="search the box 0 <= r_j <= R (default 10, or what holds the law)"
    )
    parser.add_argument("--workers", metavar="W", help="processes of one thread each (default: one per core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a dask scheduler whose workers take the points")
    parser.add_argument("-o", "--output", metavar="OUT.json", help="write the JSON object to this file, as points end")
    parser.add_argument("--resume", action="store_true", help="compute only what the file of -o does not hold")
    parser.add_argument("--force", action="store_true", help="replace the file of -o if it exists")
    parser.add_argument("--plot", metavar="DIR", help="write the figure to this folder")


def _add_replicas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="RUN.nc", help="write the replicas to this file")
    parser.add_argument("--resume", action="store_true", help="continue the file of -o")
    parser.add_argument("--force", action="store_true", help="replace the file of -o if it exists")
    parser.add_argument("--workers", metavar="W", help="processes (default: one per replica, at most one per core)")


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--neurons", metavar="N,N", help="numbers of neurons (default: that of the source)")
    parser.add_argument("--step-sizes", metavar="E,E", help="step sizes (default: that of the source)")
    parser.add_argument("--dims", metavar="D,D", help="dimensions, the shares of the blocks kept")
    parser.add_argument("--replicas", metavar="R", help="runs of every setting (default: sgd.replicas)")
    parser.add_argument("--workers", metavar="W", help="processes of one thread each (default: one per core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a dask scheduler whose workers take the runs")
    parser.add_argument("-o", "--output", metavar="DIR", help="keep every run, and the result, in this folder")
    parser.add_argument("--resume", action="store_true", help="compute only what the folder of -o does not hold")
    parser.add_argument("--force", action="store_true", help="replace the sweep in the folder of -o")
    parser.add_argument("--plot", metavar="DIR", help="write the figure to this folder")


def _add_source(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    parser.add_argument(
        "source", nargs="?" if optional else None, metavar="SOURCE", help="a TOML file or the name of a preset"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        dest="overrides",
        help="override one key (repeatable)",
    )
    parser.add_argument("--scheme", metavar="S", help="short for --set solver.scheme=S")
    parser.add_argument("--threads", metavar="N", help="number of threads (default: every core)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no table")
