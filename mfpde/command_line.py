"""The command line: `mfpde COMMAND`. Nothing heavy is imported before a command needs it.

Exit codes: 0 done, 2 bad input, 3 the run failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from mfpde import __version__
from mfpde.commands import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, run_command

FIGURES = "FIGURE.png|.pdf|.svg|.gif|.mp4"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    # The compiled kernels are the parallel part; BLAS on one thread gives the same sums on every machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if getattr(options, "threads", None) is not None:
        _use_threads(options.threads)
    try:
        return run_command(options)
    except KeyboardInterrupt:
        print("mfpde: interrupted before anything was computed", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone: leave without a second complaint at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


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
    solve.add_argument("--plot", metavar="DIR", help="write the figures to this folder")

    plot = commands.add_parser("plot", help="draw a result file")
    plot.add_argument("run", metavar="RUN.nc", help="a file that `mfpde solve -o` made")
    plot.add_argument("-o", "--output", metavar=FIGURES, help="the figure (default: RUN.png)")
    plot.add_argument("--force", action="store_true", help="replace the figure if it exists")

    convergence = commands.add_parser("convergence", help="refine grid and step, print the observed orders")
    _add_source(convergence)
    convergence.add_argument(
        "--levels", type=_count, default=4, metavar="L", help="number of runs, coarse to fine (default 4)"
    )
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a TOML file or the name of a preset")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        dest="overrides",
        help="override one key (repeatable)",
    )
    parser.add_argument("--scheme", metavar="S", help="short for --set solver.scheme=S")
    parser.add_argument("--threads", type=_count, metavar="N", help="number of threads (default: every core)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no table")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0; write for example 2")
    return int(text)


def _use_threads(count: int) -> None:
    """Let the compiled kernels use `count` threads."""
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(count)
        return
    import numba

    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
