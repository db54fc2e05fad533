"""The commands, a module each with `run(options)`, and how their errors become messages and exit codes."""

from __future__ import annotations

import argparse
from importlib import import_module

from mfpde.commands.common import EXIT_BAD_INPUT, EXIT_FAILED
from mfpde.shell.process import complain

HOMES = {
    **dict.fromkeys(("solve", "sgd", "compare", "bounds", "convergence"), "solving"),
    **dict.fromkeys(("optimum", "stationary", "basins", "branches", "distance"), "asking"),
    **dict.fromkeys(("plot", "presets"), "writing"),
}
"""The folder of every command."""


def run_command(options: argparse.Namespace) -> int:
    """Run the chosen command; an error in the input prints every message and gives 2."""
    from mfpde.errors import ConfigurationError, OutputError, ResultFileError, RunOutputError
    from mfpde.solvers.flow.time_loop import StepFailure

    try:
        return int(import_module(f"mfpde.commands.{HOMES[options.command]}.{options.command}").run(options))
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
