"""The commands `mfpde optimum` and `mfpde stationary [--from RUN.nc]`, whose answer is one JSON object."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mfpde.commands import EXIT_DONE, EXIT_FAILED, Checks, _configuration, _positive, _use_threads
from mfpde.process import complain

if TYPE_CHECKING:
    from mfpde.configuration import Configuration


class Answer(Protocol):
    """What such a study finds."""

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""

    def table(self) -> str:
        """In words."""


def run_optimum(options: argparse.Namespace) -> int:
    """The law of least free energy, with its lower bound."""

    def study(configuration: Configuration, radius: float | None) -> Answer:
        from mfpde.studies.optimum import optimum

        return optimum(configuration, radius)

    return _run(options, study)


def run_stationary(options: argparse.Namespace) -> int:
    """The stationary laws of the source, each with its class; or where the run of --from ends."""
    if options.run is not None:
        return _run_ending(options)
    if options.source is None:
        raise _refusal("name a problem, `mfpde stationary SOURCE`, or a run, `mfpde stationary --from RUN.nc`")

    def study(configuration: Configuration, radius: float | None) -> Answer:
        from mfpde.studies.stationary import RADIUS, stationary

        return stationary(configuration, RADIUS if radius is None else radius)

    return _run(options, study)


def _run_ending(options: argparse.Namespace) -> int:
    from mfpde.results.runs import load_run
    from mfpde.studies.ending import ending

    def alone() -> None:
        given = [options.source] * (options.source is not None) + ["--set"] * bool(options.overrides)
        given += ["--scheme"] * (options.scheme is not None)
        if given:
            problem = f"--from takes its problem from the run: leave out {', '.join(given)}"
            raise _refusal(f"{problem}, or solve the changed problem first with `mfpde solve -o`")

    checks = Checks()
    radius = checks.run(lambda: common_options(options, checks))
    checks.run(alone)
    result = checks.run(lambda: load_run(options.run))
    checks.report()
    assert result is not None
    return _finished(lambda: ending(result, radius, options.run), options)


def _refusal(message: str) -> Exception:
    from mfpde.configuration import ConfigurationError

    return ConfigurationError([message])


def _run(options: argparse.Namespace, study: Callable[[Configuration, float | None], Answer]) -> int:
    checks = Checks()
    radius = checks.run(lambda: common_options(options, checks))
    configuration = checks.run(lambda: _configuration(options, solved=False))
    checks.report()
    assert configuration is not None
    return _finished(lambda: study(configuration, radius), options)


def _finished(study: Callable[[], Answer], options: argparse.Namespace) -> int:
    """Run a study and deliver its answer."""
    try:
        found = study()
    except ArithmeticError as error:
        complain(str(error))
        return EXIT_FAILED
    deliver(found, options)
    return EXIT_DONE


def common_options(options: argparse.Namespace, checks: Checks) -> float | None:
    """Check --threads, -o and --radius, whose value is returned."""
    from mfpde.results.output import probe

    if options.threads is not None:
        checks.run(lambda: _use_threads(options.threads))
    if options.output is not None:
        checks.run(lambda: probe(Path(options.output), force=options.force))
    return None if options.radius is None else _positive("--radius", options.radius)


def deliver(found: Answer, options: argparse.Namespace) -> None:
    """The answer in the file of -o, and on the screen as JSON or in words; raises RunOutputError."""
    from mfpde.results.errors import OutputError, RunOutputError
    from mfpde.results.output import write_atomically

    text = json.dumps(found.to_json(), allow_nan=False)
    if options.output is not None:

        def write(place: Path) -> None:
            place.write_text(text + "\n", encoding="utf-8")

        try:
            write_atomically(Path(options.output), write)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
    if options.json:
        print(text)
    elif not options.quiet:
        print(found.table())
