"""The sections of a report, each of one answer or of two; where one is missing, why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mfpde.results.answer import Answer
from mfpde.results.answers.compare import CompareResult
from mfpde.results.answers.plain.report import ReportPart
from mfpde.results.answers.solve import SolveResult, told_rows
from mfpde.results.answers.stationary import Stationary
from mfpde.results.figures.style import BLUE, GREY, ORANGE, new_figure
from mfpde.results.pages.elements import figure, listing, paragraph, table, text
from mfpde.results.pages.page import Section

TIMES = 9
"""Save times of a table."""
CAPTIONS = {
    "density": "The law of neurons at four times, between which it moves equally.",
    "optimum": "The law of least free energy: atoms as discs of their masses, or mean and spread of the Gibbs law.",
    "stationary": "Stationary laws: risk against each coordinate, discs whose areas are the masses of atoms.",
    "compare_risk": "Exact population risks of the replicas of SGD (mean and spread) over the equation's.",
    "compare_statistics": "Mean and standard deviation of every coordinate, SGD over the equation.",
    "compare_law": "The neurons of all replicas over the law of the equation.",
    "fluctuations": "The central limit: N E|f_N − f|² of SGD beside its value for independent draws of the law.",
    "ending": "The clusters of the run's last law beside the nearest stationary law.",
}


def absent(part: ReportPart) -> str:
    """Why a part is not there."""
    if part.status == "stopped":
        words = (
            f"Not there: it took longer than the time a quick report has. {part.command} computes it; so does --full."
        )
    elif part.status == "refused":
        words = f"Does not apply: {part.message}."
    else:
        words = f"Not there: {part.message or part.status}."
    return f'<p class="absent">{text(words)}</p>'


def drawn(answer: Answer, part: ReportPart, names: Sequence[str] | None = None) -> str:
    """The figures of an answer (those named)."""
    found = {name: draw for name, draw in answer.figures().items() if names is None or name in names}
    return "\n".join(figure(draw, name, CAPTIONS.get(name, name), part.command) for name, draw in found.items())


def trajectory(first: tuple[ReportPart, SolveResult | None], second: tuple[ReportPart, SolveResult | None]) -> Section:
    """The risk by two schemes, and whether they agree within what they state."""
    return Section("trajectory", "The trajectory, by two schemes", "\n".join(_trajectory(first, second)))


def _trajectory(
    first: tuple[ReportPart, SolveResult | None], second: tuple[ReportPart, SolveResult | None]
) -> Iterator[str]:
    runs = [run for _, run in (first, second) if run is not None and len(run.time)]
    yield from (absent(part) for part, run in (first, second) if run is None or not len(run.time))
    if not runs:
        return
    commands = "; ".join(part.command for part, run in (first, second) if run is not None)
    yield figure(
        lambda: agreement_figure(runs),
        "trajectory",
        "The risk with bands of the stated errors; below, the difference of the schemes beside the sum of these.",
        commands,
    )
    for part, run in (first, second):
        if run is not None and part.status == "stopped":
            reached = f"{run.scheme} came to t = {run.time[-1]:.4g} in the time that a quick report has."
            yield f'<p class="absent">{text(reached)}</p>'
    if len(runs) == 2:
        yield f'<p class="verdict">{text(agreement(*runs))}</p>'
    yield _risk_table(runs)
    yield from (paragraph(note) for run in runs for note in run.notes)


def common(one: SolveResult, other: SolveResult) -> tuple[Any, Any]:
    """The rows of save times that both have."""
    rows = [(row, int(np.argmin(np.abs(other.time - time)))) for row, time in enumerate(one.time)]
    same = [(a, b) for a, b in rows if abs(one.time[a] - other.time[b]) <= 1e-9 * max(1.0, one.time[a])]
    left, right = (np.array(column, dtype=int) for column in zip(*same, strict=True)) if same else ([], [])
    return left, right


def agreement(one: SolveResult, other: SolveResult) -> str:
    """The largest difference over the sum of stated errors, in words."""
    left, right = common(one, other)
    if not len(left):
        return "The schemes have no save time in common."
    apart = np.abs(one.risk[left] - other.risk[right])
    stated = one.risk_error[left] + other.risk_error[right]
    worst = int(np.argmax(apart / np.maximum(stated, 1e-300)))
    ratio = float(apart[worst] / max(stated[worst], 1e-300))
    verdict = (
        "within what they state"
        if ratio <= 1.0
        else "within three times it"
        if ratio <= 3.0
        else "FARTHER APART than three times what they state"
    )
    return (
        f"{one.scheme} and {other.scheme} differ by at most {apart.max():.2e} in the risk: {verdict} "
        f"(largest share {ratio:.2g}, at t = {one.time[left][worst]:.4g})."
    )


def agreement_figure(runs: Sequence[SolveResult]) -> Any:
    """R(t) of both with bands; below |R_1 - R_2| and the sum of the stated errors."""
    figure = new_figure(6.4, 4.8 if len(runs) == 2 else 3.2)
    panels = figure.subplots(len(runs), 1, sharex=True, squeeze=False, height_ratios=[2, 1][: len(runs)])[:, 0]
    for run, colour, line in zip(runs, (BLUE, ORANGE), ("-", "--"), strict=False):
        shown = run.time > 0.0
        low, high = run.risk[shown] - run.risk_error[shown], run.risk[shown] + run.risk_error[shown]
        panels[0].fill_between(run.time[shown], low, high, color=colour, alpha=0.2, linewidth=0)
        label = f"{run.scheme}, error at most {run.risk_error.max():.0e}"
        panels[0].plot(run.time[shown], run.risk[shown], line, color=colour, label=label)
    panels[0].set_xscale("log")
    panels[0].set_ylabel("risk")
    panels[0].legend()
    if len(runs) == 2:
        left, right = common(*runs)
        time = runs[0].time[left]
        apart = np.abs(runs[0].risk[left] - runs[1].risk[right])
        panels[1].plot(time, np.maximum(apart, 1e-17), ".", color=GREY, label="difference")
        panels[1].plot(time, runs[0].risk_error[left] + runs[1].risk_error[right], color=BLUE, label="stated, together")
        panels[1].set_yscale("log")
        panels[1].set_ylabel("in the risk")
        panels[1].legend()
    panels[-1].set_xlabel("time $t$ (SGD steps × step size)")
    return figure


def _risk_table(runs: Sequence[SolveResult]) -> str:
    header = ["t", *(cell for run in runs for cell in (f"risk, {run.scheme}", "error"))]
    rows = []
    for row in told_rows(len(runs[0].time), TIMES):
        cells = [f"{runs[0].time[row]:.5g}"]
        for run in runs:
            place = int(np.argmin(np.abs(run.time - runs[0].time[row])))
            same = abs(run.time[place] - runs[0].time[row]) <= 1e-9 * max(1.0, runs[0].time[row])
            cells += [f"{run.risk[place]:.9g}", f"{run.risk_error[place]:.1e}"] if same else ["", ""]
        rows.append(cells)
    return table(header, rows, "risk")


def told(run: SolveResult, index: int, axis: int) -> str:
    """A mean, with its error where that is known."""
    error = math.nan if run.mean_error is None else run.mean_error[index, axis]
    return f"{run.mean[index, axis]:.6g}" + (f" ± {error:.0e}" if math.isfinite(error) else "")


def law(part: ReportPart, run: SolveResult | None) -> Section:
    """The law at a few times, with its moments at the last."""
    if run is None or not len(run.time):
        return Section("law", "The law of neurons", absent(part))
    names = run.moment_names
    rows = [
        (
            name,
            told(run, 0, axis),
            f"{math.sqrt(max(run.variance[0, axis], 0.0)):.4g}",
            told(run, -1, axis),
            f"{math.sqrt(max(run.variance[-1, axis], 0.0)):.4g}",
        )
        for axis, name in enumerate(names)
    ]
    header = ("coordinate", "mean at 0", "standard deviation", f"mean at {run.time[-1]:.4g}", "standard deviation")
    return Section("law", "The law of neurons", drawn(run, part, ("density",)) + table(header, rows, "moments"))


def energy(pairs: Sequence[tuple[ReportPart, SolveResult | None]]) -> Section:
    """What was dissipated, and how far that is from what F lost."""
    rows = [
        (
            run.scheme,
            f"{run.free_energy[0]:.9g}",
            f"{run.free_energy[-1]:.9g}",
            f"{run.dissipated[-1]:.9g}",
            f"{np.nanmax(run.balance):.1e}",
        )
        for _, run in pairs
        if run is not None and len(run.time) and np.isfinite(run.balance[-1])
    ]
    if not rows:
        return Section("energy", "The energy balance", absent(pairs[0][0]))
    words = (
        "Along the exact flow F(t) - F(0) and minus the integral of what is dissipated are equal. The last column is "
        "the largest difference of a run: a check that shares nothing with the stated errors of the risk."
    )
    header = ("scheme", "F at 0", "F at the end", "dissipated", "largest |F - F(0) + dissipated|")
    return Section("energy", "The energy balance", paragraph(words) + table(header, rows, "energy"))


def whole(
    anchor: str, title: str, part: ReportPart, answer: Answer | None, names: Sequence[str] | None = None
) -> Section:
    """An answer in its own words, and its figures."""
    if answer is None:
        return Section(anchor, title, absent(part))
    return Section(anchor, title, listing(answer.table()) + drawn(answer, part, names))


def stationary(part: ReportPart, answer: Stationary | None) -> Section:
    """The stationary laws in a table, with their verdicts."""
    title = "Stationary laws"
    if answer is None:
        return Section("stationary", title, absent(part))
    header = ("atoms", "risk", "gap to the optimum", "rate of growth", "left in time", "verdict")
    rows = [row for point in answer.points for row in point.rows(answer.names)]
    body = table(header, rows, "stationary") if rows else paragraph("None was found in the box.")
    return Section("stationary", title, body + "".join(map(paragraph, answer.completeness)) + drawn(answer, part))


def beside_sgd(part: ReportPart, answer: CompareResult | None) -> Section:
    """SGD over the equation, the gap, and the central limit."""
    title = "SGD over the equation"
    if answer is None or not len(answer.sgd.time):
        return Section("sgd", title, absent(part))
    gaps = ", ".join(f"{gap:.3g}" for gap in np.atleast_1d(answer.sup_gap).tolist())
    size = f"{answer.sgd.position.shape[2]} neurons, {len(answer.sgd.risk)} replicas"
    words = f"{size}: the largest |R_N - R| of each is {gaps}."
    return Section(
        "sgd", title, f'<p class="verdict">{text(words)}</p>' + drawn(answer, part) + listing(answer.table())
    )


def reproduction(configuration: str, parts: Sequence[ReportPart], versions: Mapping[str, Any]) -> Section:
    """The whole configuration and the commands."""
    commands = "\n".join(part.command for part in parts)
    told = {name: value for name, value in versions.items() if name.startswith(("version", "git"))}
    rows = [(name.removeprefix("version_").replace("_", " "), str(value)) for name, value in told.items()]
    body = (
        paragraph("problem.toml, the whole configuration with every default:")
        + listing(configuration)
        + paragraph("The commands, in the folder of that file:")
        + listing(commands)
        + table(("with", "version"), rows, "versions")
    )
    return Section("reproduce", "To reproduce it", body)


CONVENTIONS = (
    "Risk R = E(y − f)² for the square loss, the mean loss for any other. Time t = kε for steps θ += ε (y − f) ∇σ*. "
    "Ψ is half the first variation of R. Free energy F = 2L + 2∫V + (1/β) ∫ρ log(ρ/ω); noise of SGD is √(ε/β) g, whose "
    "equation has 1/(2β) times the Laplacian. Stated errors are estimates: the true error lies below three times them "
    "on the problems of the validation. Lower bounds of optima are proven, up to what their section says."
)
