"""What all commands do once their options are checked: run the study, tell the answer, draw it, end with its code."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfpde.commands.checks import Checks
from mfpde.errors import ConfigurationError, OutputError, ResultFileError, RunOutputError, in_keys
from mfpde.shell.memory import out_of_memory
from mfpde.shell.process import complain, interruptions
from mfpde.shell.progress import ProgressBar
from mfpde.shell.user_files import fault_of

if TYPE_CHECKING:
    from mfpde.results.answer import Answer
    from mfpde.results.files.drawn import Draughtsman

EXIT_DONE, EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 0, 2, 3, 130, 141
LONGEST_TITLE = 100
EXIT_CODES = {"success": EXIT_DONE, "failed": EXIT_FAILED, "interrupted": EXIT_INTERRUPTED}


def carry_out(study: Callable[..., Answer], checks: Checks, *arguments: Any, boxed: bool = False, **named: Any) -> int:
    """Run a study with these arguments and what the checked options say; deliver its answer; the exit code.

    Args:
        boxed: whether a ValueError says that the box of --radius does not suit the search.

    Raises:
        RunOutputError: the answer could not be written; what is known of it has been told.
    """
    from mfpde.results.files.drawn import draughtsman
    from mfpde.shell.files import make_folder

    if checks.plots is not None:
        make_folder(checks.plots)
    with draughtsman(checks.plots is not None) as drawer:
        return _carried_out(study, checks, drawer, *arguments, boxed=boxed, **named)


def _carried_out(
    study: Callable[..., Answer], checks: Checks, drawer: Draughtsman, *arguments: Any, boxed: bool, **named: Any
) -> int:
    """Run the study, and let `drawer` draw its answer; as `carry_out`."""
    options, plots = checks.options, checks.plots
    before = _stamp(options.output)
    try:
        with ProgressBar(options.quiet) as bar, interruptions():
            answer = study(*arguments, **named, **checks.given, progress=bar)
    except (ArithmeticError, ValueError) as error:
        if isinstance(error, ValueError) and not boxed:
            raise
        complain(f"{error}; write another --radius" if isinstance(error, ValueError) else str(error))
        return EXIT_FAILED
    except RunOutputError as error:
        if error.result is not None:
            show(error.result, options)
        raise
    except KeyboardInterrupt:
        complain(f"interrupted before the end; {_left_behind(options.output, before)}")
        return EXIT_INTERRUPTED
    try:
        show(answer, options)
        if plots is not None:
            _draw(answer, drawer, plots, options)
    except KeyboardInterrupt:
        complain(f"interrupted when all was computed; {_left_behind(options.output, before)}")
        return EXIT_INTERRUPTED
    complain(*answer.message.splitlines())
    return EXIT_CODES[answer.status]


def _stamp(output: str | None) -> int | None:
    """When the file or folder of -o was last changed; None where there is none."""
    try:
        return None if output is None else Path(output).stat().st_mtime_ns
    except OSError:
        return None


def _left_behind(output: str | None, before: int | None) -> str:
    """What an interruption leaves of a run, in words."""
    now = _stamp(output)
    if output is None or now is None:
        return "nothing was written"
    return f"{output} {'is as it was before' if now == before else 'holds what was computed'}"


def guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace, less: str = "") -> int:
    """Run a command; an error in the input prints every message and gives 2, one of the run gives 3.

    Args:
        less: what to write where memory runs out, beside what the scheme says.
    """
    from mfpde.solvers.flow.time_loop import StepFailure

    try:
        return run(options)
    except ConfigurationError as error:
        complain(*error.messages)
        return EXIT_BAD_INPUT
    except (RunOutputError, StepFailure) as error:
        complain(in_keys(error))
        return EXIT_FAILED
    except MemoryError as error:
        complain(out_of_memory(error, options.less, less))
        return EXIT_FAILED
    except (ResultFileError, OutputError) as error:
        complain(str(error))
        return EXIT_BAD_INPUT
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        complain(fault)
        return EXIT_FAILED


def show(answer: Answer, options: argparse.Namespace) -> None:
    """One strict JSON object in a line, or words."""
    if options.json:
        print(json.dumps(answer.to_json(), allow_nan=False))
    elif not options.quiet and (text := answer.details() if options.verbose else answer.table()):
        print(text)


def _draw(answer: Answer, drawer: Draughtsman, folder: Path, options: argparse.Namespace) -> None:
    """Write the figures, if there is anything to draw, and say where they are; raises RunOutputError."""
    try:
        written = drawer.save(answer, folder, title_of(options))
    except OutputError as error:
        raise RunOutputError(str(error)) from None
    if written and not options.json and not options.quiet:
        print(f"figures: {', '.join(str(path) for path in written)}")


def title_of(options: argparse.Namespace) -> str:
    """What figures are of: the preset or the file that the command read, with the keys it changed."""
    source = getattr(options, "source", None) or getattr(options, "run", None)
    name = Path(str(source)).stem if source and source != "-" else ""
    changed = [each for each in getattr(options, "overrides", None) or [] if len(each) < LONGEST_TITLE // 3]
    words = textwrap.shorten(", ".join(filter(None, [name, *changed])), LONGEST_TITLE, placeholder=" ...")
    return words.replace("$", r"\$")
