"""The commands of a report as processes of one thread each, a few at a time, until they end or time is up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

from mfpde.results.answers.plain.report import ReportPart
from mfpde.shell.progress import Progress
from mfpde.solvers.threads.processors import processors
from mfpde.studies.report.plan import Step

EXIT_DONE, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 2, 130
"""Exit codes of commands."""
GRACE = 4.0
"""Seconds that a command has to write what it has once it is stopped."""
SHARE = 0.3
"""Of the time: after it a command that can go on later gives its place to one that waits."""
PAUSE = 0.05
MOST_WORDS = 400


@dataclass
class _Running:
    step: Step
    process: subprocess.Popen[str]
    begun: float
    before: float

    @property
    def seconds(self) -> float:
        """That it took, with those of earlier turns."""
        return self.before + monotonic() - self.begun


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    known: Mapping[str, ReportPart],
    *,
    use: Sequence[str],
    seconds: float,
    note: Callable[[ReportPart], None],
    progress: Progress,
) -> None:
    """Run the steps that are not known yet, and `note` what became of each.

    Args:
        folder: with the problem; their working folder.
        known: parts that are done.
        use: files of one's own, absolute.
        seconds: after which what still runs is stopped, inf for never.

    Raises:
        KeyboardInterrupt: after all commands were stopped and what they had was noted.
    """
    waiting = [step for step in steps if step.name not in known]
    done = dict(known)
    running: list[_Running] = []
    spent: dict[str, float] = {}
    deadline = monotonic() + seconds
    places = max(1, min(2, processors()))

    def settle(part: ReportPart) -> None:
        done[part.name] = part
        note(part)

    try:
        while waiting or running:
            for step in _ready(waiting, done)[: places - len(running)]:
                waiting.remove(step)
                if step.refusal:
                    settle(part_of(step, "refused", step.refusal))
                elif not _found(step, done):
                    settle(part_of(step, *_without(done[step.needs])))
                elif monotonic() >= deadline:
                    why = "" if step.name in spent else "no time was left for it"
                    settle(part_of(step, "stopped", why, spent.get(step.name, 0.0)))
                else:
                    running.append(_begin(step, folder, use, spent.get(step.name, 0.0)))
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                settle(_ended(each))
            if monotonic() >= deadline:
                for part in _stopped(running):
                    settle(replace(part, status="stopped") if part.status == "interrupted" else part)
                running = []
            elif _ready(waiting, done) and (turned := _had_their_turn(running, waiting, seconds)[:1]):
                running.remove(turned[0])
                (part,) = _stopped(turned)
                if part.status == "interrupted":
                    spent[part.name] = part.seconds
                    waiting.append(turned[0].step)
                else:
                    settle(part)
            names = ", ".join(each.step.title for each in running)
            progress(f"report: {names or 'the page'}", len(done) / len(steps))
            sleep(PAUSE)
    finally:
        for part in _stopped(running):
            note(part)


def _had_their_turn(running: Sequence[_Running], waiting: Sequence[Step], seconds: float) -> list[_Running]:
    """Commands that have run for their share of the time, go on later from what they keep, and that none waits for."""
    needed = {step.needs for step in waiting}
    able = [each for each in running if each.step.file.endswith(".nc") and each.step.name not in needed]
    return [each for each in able if not each.before and each.seconds > SHARE * seconds]


def _ready(waiting: Sequence[Step], done: Mapping[str, ReportPart]) -> list[Step]:
    """Steps whose need is settled."""
    return [step for step in waiting if not step.needs or step.needs in done]


def _found(step: Step, done: Mapping[str, ReportPart]) -> bool:
    """Whether there is what a step needs."""
    return not step.needs or done[step.needs].status == "success"


def _without(need: ReportPart) -> tuple[str, str]:
    """What becomes of a step whose need is not met, and why."""
    return ("stopped", "") if need.status == "stopped" else (need.status, f"it needs {need.title}: {need.message}")


def _begin(step: Step, folder: Path, use: Sequence[str], before: float) -> _Running:
    """A process for a command; one that can goes on from what an interrupted one left."""
    again = ["--resume"] if step.file.endswith(".nc") and (folder / step.file).exists() else ["--force"]
    words = [*step.arguments, "-o", step.file, "--threads", "1", "--quiet", *again]
    words += [word for path in use for word in ("--use", path)]
    words += ["--workers", "1"] if step.arguments[0] == "compare" else []
    process = subprocess.Popen(
        [sys.executable, "-m", "mfpde", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return _Running(step, process, monotonic(), before)


def _ended(each: _Running) -> ReportPart:
    """What became of a command."""
    _, words = each.process.communicate()
    status = {EXIT_DONE: "success", EXIT_BAD_INPUT: "refused", EXIT_INTERRUPTED: "interrupted"}
    code = each.process.returncode
    words = "" if code == EXIT_DONE else _brief(words)
    return part_of(each.step, status.get(code, "failed"), words, each.seconds)


def _stopped(running: Sequence[_Running]) -> list[ReportPart]:
    """Commands that were told to stop, all at once, and what they said; one that was done by then is done."""
    for each in running:
        with suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGINT)
    until = monotonic() + GRACE
    for each in running:
        try:
            each.process.wait(max(until - monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(each.process.pid, signal.SIGKILL)
    ended = map(_ended, running)
    return [part if part.status == "success" else replace(part, status="interrupted") for part in ended]


def part_of(step: Step, status: str, message: str = "", seconds: float = 0.0) -> ReportPart:
    """What a report says of a step."""
    return ReportPart(step.name, step.title, step.command, status, message, seconds)


def _brief(words: str) -> str:
    lines = [line.removeprefix("mfpde: ") for line in words.strip().splitlines()]
    return "; ".join(lines)[-MOST_WORDS:]
