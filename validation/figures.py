"""Figures of a trajectory against its reference: the risk, its error beside the estimate, and the law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from mfpde.results.answers.solve import SolveResult
from mfpde.results.figures.solve import density_figure
from mfpde.results.figures.style import BLUE, ORANGE, STYLE, new_figure
from mfpde.shell.files import make_folder, write_atomically
from validation.expected.reference import Trajectory

LINES = {"characteristics": (BLUE, "-"), "finite-volume": (ORANGE, "--")}
LEAST_ERROR = 1e-16


def draw_trajectory(case: Trajectory, results: Sequence[SolveResult], folder: Path) -> list[Path]:
    """Write NAME-risk.png, and NAME-density.png of the last result that is not a single point; returns the paths."""
    make_folder(folder)
    written = [_save(lambda: risk_figure(case, results), folder / f"{case.name}-risk.png")]
    spread = [result for result in results if np.any(result.variance > 0.0)]
    if spread:
        written.append(_save(lambda: density_figure(spread[-1]), folder / f"{case.name}-density.png"))
    return written


def risk_figure(case: Trajectory, results: Sequence[SolveResult]) -> Any:
    """R(t) of every scheme with the reference points; below, |error| (marks) and the schemes' estimates (lines)."""
    figure = new_figure(5.4, 5.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    reference = [(row["t"], row["R"][0], row["R"][1]) for row in case.rows if row["t"] > 0.0]
    time, risk, bar = (np.array(column) for column in zip(*reference, strict=True))
    for result in results:
        colour, style = LINES[result.scheme]
        shown = result.time > 0.0
        above.plot(result.time[shown], result.risk[shown], style, color=colour, label=result.scheme)
        _draw_error(below, result, (time, risk), colour)
    above.plot(time, risk, "o", color="black", markersize=4, fillstyle="none", label="reference")
    below.fill_between(time, LEAST_ERROR, np.maximum(bar, LEAST_ERROR), color="0.85", label="reference's error bar")
    above.set_ylabel(r"risk $R(\rho_t)$")
    above.set_title(case.name.replace("_", " "))
    above.legend()
    below.set_xscale("log")
    below.set_yscale("log")
    below.set_xlabel("time $t$")
    below.set_ylabel(r"$|R - R_{\mathrm{reference}}|$")
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _draw_error(axes: Any, result: SolveResult, reference: tuple[Any, Any], colour: str) -> None:
    """Marks at the true errors, a line through the estimates."""
    time, risk = reference
    reached = np.isin(time, result.time)
    found = result.risk[np.isin(result.time, time[reached])]
    error = np.maximum(np.abs(found - risk[reached]), LEAST_ERROR)
    shown = result.time > 0.0
    estimate = np.maximum(result.risk_error[shown], LEAST_ERROR)
    axes.plot(time[reached], error, "o", color=colour, markersize=4, label=f"{result.scheme}: error")
    axes.plot(result.time[shown], estimate, color=colour, linewidth=0.9, label=f"{result.scheme}: risk_error")


def _save(draw: Callable[[], Any], path: Path) -> Path:
    with matplotlib.rc_context(STYLE), np.errstate(all="ignore"):
        figure = draw()
        write_atomically(path, figure.savefig)
    return path
