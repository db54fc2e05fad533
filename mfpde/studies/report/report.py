"""report: the parts of a problem computed by the commands themselves, and one page made of what they wrote."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from mfpde import __version__
from mfpde.configuration.sources import Source, experiment_of
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.results.answer import Answer
from mfpde.results.answers.compare import CompareResult
from mfpde.results.answers.plain.report import Report, ReportPart
from mfpde.results.answers.solve import SolveResult
from mfpde.results.answers.stationary import Stationary
from mfpde.results.files.provenance import provenance
from mfpde.results.pages import sections
from mfpde.results.pages.elements import paragraph
from mfpde.results.pages.page import Section, document
from mfpde.results.pages.problem import problem_in_words
from mfpde.results.reading import load
from mfpde.shell.files import make_folder, read_json, reserved, write_json, write_text
from mfpde.shell.progress import Progress, silent
from mfpde.studies.report.plan import PROBLEM, Step, plan
from mfpde.studies.report.running import run_steps

QUICK = 40.0
"""Seconds that the commands of a quick report have."""
NOTES = "parts.json"
Kind = TypeVar("Kind", bound=Answer)


def report(
    source: Source,
    output: str | Path,
    *,
    full: bool = False,
    title: str = "",
    force: bool = False,
    resume: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> Report:
    """Compute the parts of a report and write its page.

    Args:
        source: a preset's name, the path of a TOML file, "-", or an experiment.
        output: the page, .html; the parts stand in a folder beside it until it is written.
        full: whether every part may take its time, at the problem's own tolerance; otherwise all have `QUICK` seconds.
        title: of the page; that of the source where it is empty.
        force: whether the page, and parts that were left, are replaced.
        resume: whether parts that were left are kept.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: naming every mistake in the source, or that parts of another report are in the way.
        OutputError: the page cannot be written.
    """
    experiment, page = experiment_of(source, **given), Path(output)
    if experiment.problem is not None:
        raise ConfigurationError(["report: a problem made in Python has no configuration that commands could read"])
    begun, folder = monotonic(), folder_of(page)
    steps = plan(experiment, full)
    with reserved(page):
        known = _begin(experiment, folder, full, force=force, resume=resume)
        notes = dict(known)

        def note(part: ReportPart) -> None:
            notes[part.name] = part
            _write_notes(folder, full, notes)

        try:
            use = [each.path for each in experiment.uses]
            seconds = float("inf") if full else QUICK
            run_steps(steps, folder, known, use=use, seconds=seconds, note=note, progress=progress)
        except KeyboardInterrupt:
            return Report(str(page), _parts(steps, notes), monotonic() - begun, "interrupted")
        parts = _parts(steps, notes)
        progress("report: the page", 1.0)
        write_text(page, _page(experiment, title or _name(source), folder, {part.name: part for part in parts}))
        shutil.rmtree(folder, ignore_errors=True)
    return Report(str(page), parts, monotonic() - begun, "success")


def folder_of(page: Path) -> Path:
    """Where the parts of a report are kept until its page is written."""
    return page.with_name(f"{page.stem}.parts")


def _begin(experiment: Experiment, folder: Path, full: bool, *, force: bool, resume: bool) -> dict[str, ReportPart]:
    """The folder with the problem in it, and the parts there that are done."""
    configuration = to_toml(experiment)
    known: dict[str, ReportPart] = {}
    if folder.exists() and not resume:
        if not force:
            raise ConfigurationError([f"{folder}: holds parts of an earlier report; write --resume or --force"])
        shutil.rmtree(folder)
    if folder.exists():
        found = _read_notes(folder)
        if (folder / PROBLEM).read_text(encoding="utf-8") != configuration or found["full"] != full:
            raise ConfigurationError([f"{folder}: holds parts of another problem; write --force to begin again"])
        parts = [ReportPart.from_json(each) for each in found["parts"]]
        known = {part.name: part for part in parts if part.status in ("success", "refused")}
    make_folder(folder)
    write_text(folder / PROBLEM, configuration)
    _write_notes(folder, full, known)
    return known


def _write_notes(folder: Path, full: bool, parts: dict[str, ReportPart]) -> None:
    write_json(folder / NOTES, {"full": full, "parts": [part.to_json(()) for part in parts.values()]})


def _read_notes(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_json(folder / NOTES))
    except (OSError, ValueError):
        raise ConfigurationError(
            [f"{folder}: holds no whole parts of a report; write --force to begin again"]
        ) from None


def _parts(steps: tuple[Step, ...], notes: dict[str, ReportPart]) -> tuple[ReportPart, ...]:
    """What is known of every step."""
    waiting = (ReportPart(step.name, step.title, step.command, "waiting", "", 0.0) for step in steps)
    return tuple(notes.get(part.name, part) for part in waiting)


def _name(source: Source) -> str:
    return Path(source).stem if isinstance(source, str | Path) and str(source) != "-" else "an experiment"


def _page(experiment: Experiment, title: str, folder: Path, parts: dict[str, ReportPart]) -> str:
    """The page of what the parts wrote."""
    first = _answer(folder, parts["first"], "first.nc", SolveResult)
    second = _answer(folder, parts["second"], "second.nc", SolveResult)
    pairs = [(parts["first"], first), (parts["second"], second)]
    better = min((pair for pair in pairs if pair[1] is not None), key=_error, default=pairs[0])
    found = [
        Section("problem", "The problem", problem_in_words(experiment, better[1])),
        sections.trajectory(*pairs),
        sections.law(*better),
        sections.energy(pairs),
        sections.whole(
            "optimum", "The optimum", parts["optimum"], _answer(folder, parts["optimum"], "optimum.json", Answer)
        ),
        sections.stationary(parts["stationary"], _answer(folder, parts["stationary"], "stationary.json", Stationary)),
        sections.whole(
            "ending", "Where the run ends", parts["ending"], _answer(folder, parts["ending"], "ending.json", Answer)
        ),
        sections.beside_sgd(parts["sgd"], _answer(folder, parts["sgd"], "sgd.nc", CompareResult)),
        Section("conventions", "Conventions", paragraph(sections.CONVENTIONS)),
        sections.reproduction(to_toml(experiment), list(parts.values()), provenance(experiment)),
    ]
    law = experiment.data.name
    lead = f"Data law {law}, from problem.toml at the end of this page, by mfpde {__version__}."
    return document(title, lead, found)


def _error(pair: tuple[ReportPart, SolveResult | None]) -> float:
    run = pair[1]
    return float(run.risk_error.max()) if run is not None and len(run.time) else float("inf")


def _answer(folder: Path, part: ReportPart, file: str, kind: type[Kind]) -> Kind | None:
    """What a part wrote; of one that was stopped what there is."""
    if part.status in ("success", "stopped", "interrupted", "failed") and (folder / file).exists():
        with suppress(ResultFileError):
            answer = load(folder / file)
            return answer if isinstance(answer, kind) else None
    return None
