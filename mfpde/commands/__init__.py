"""The commands, a module each with `run(options)`, and how their errors become messages and exit codes."""

from __future__ import annotations

import argparse
from importlib import import_module

from mfpde.commands.common import EXIT_BAD_INPUT, EXIT_FAILED
from mfpde.process import complain


def run_command(options: argparse.Namespace) -> int:
    """Run the chosen command; an error in the input prints every message and gives 2."""
    from mfpde.configuration import ConfigurationError
    from mfpde.results.errors import OutputError, ResultFileError, RunOutputError
    from mfpde.solvers.time_loop import StepFailure

    try:
        return int(import_module(f"mfpde.commands.{options.command}").run(options))
    except ConfigurationError as error:
        complain(*error.messages)
        return EXIT_BAD_INPUT
    except (RunOutputError, StepFailure) as error:
        complain(str(error))
        return EXIT_FAILED
    except MemoryError as error:
        box = "a smaller --radius, " if getattr(options, "radius", None) is not None else ""
        complain(f"out of memory ({error}); write {box}fewer solver.cells or save fewer times")
        return EXIT_FAILED
    except (ResultFileError, OutputError) as error:
        complain(str(error))
        return EXIT_BAD_INPUT
