"""The command line: `mfpde COMMAND`. Nothing heavy is imported before a command needs it.

Every module of the folders `solving`, `asking` and `writing` is a command, named like the module:

    HELP                     its line of `mfpde --help`
    LESS                     what to write where memory runs out
    PLACE                    where it stands there (left out: after the others)
    add_arguments(parser)    declares its options; those that commands share are in `options`
    run(options)             checks them, computes, tells, and returns the exit code

Exit codes: 0 done, 2 bad input, 3 the run failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mfpde import __version__
from mfpde.commands.driver import EXIT_BAD_INPUT, EXIT_BROKEN_PIPE, EXIT_FAILED, EXIT_INTERRUPTED, guarded
from mfpde.commands.options import ABSENT, add_use
from mfpde.shell.environment import incomplete_checkout, unusable_threads
from mfpde.shell.process import (
    abandon_output,
    accept_any_text,
    complain,
    earlier_files_told,
    interruptions,
    termination_interrupts,
)

FOLDERS = ("solving", "asking", "writing")


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
    commands = dict(commands_by_name())
    try:
        options = parser_of(commands).parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    # The compiled kernels are the parallel part; BLAS on one thread gives the same sums on every machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # nothing is shown on a display
    os.environ["MPLBACKEND"] = "agg"
    # what is imported and compiled is not garbage: looking for it takes a fifteenth of a first run
    gc.set_threshold(100_000, 50, 50)
    # nor is it looked for once more, module by module, when all is done: a tenth of a second run
    atexit.register(gc.freeze)
    if problems := incomplete_checkout() or unusable_threads(options.threads is not None):
        complain(*problems)
        return EXIT_BAD_INPUT
    try:
        with termination_interrupts(), interruptions(), earlier_files_told():
            return guarded(commands[options.command].run, options, commands[options.command].LESS)
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED


def commands_by_name() -> Iterator[tuple[str, ModuleType]]:
    """The commands by name, in the order of the help."""
    commands = {}
    for folder in FOLDERS:
        for place in (Path(__file__).parent / folder).glob("[a-z]*.py"):
            commands[place.stem] = import_module(f"mfpde.commands.{folder}.{place.stem}")
    yield from sorted(commands.items(), key=lambda item: (getattr(item[1], "PLACE", len(commands)), item[0]))


def parser_of(commands: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mfpde",
        description="Mean-field PDEs of two-layer networks, reduced by symmetry and solved.",
        epilog="SOURCE is a TOML file or the name of a preset; `mfpde presets` lists the presets.",
    )
    parser.add_argument("--version", action="version", version=f"mfpde {__version__}")
    parser.set_defaults(**ABSENT)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in commands.items():
        subparser = subparsers.add_parser(name, help=command.HELP)
        command.add_arguments(subparser)
        add_use(subparser)
    return parser
