"""Figures of replicas of SGD: their risks, and their neurons, over the law of the equation where that is known."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.laws.marginals import draw_marginal, view_of
from mfpde.results.figures.style import BLUE, ORANGE, new_figure, panel, symbol
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.distribution import distribution, sampled
from mfpde.solvers.space.measure import Atoms, Measure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.sgd import SgdResult
    from mfpde.results.answers.solve import SolveResult

TIMES = 4
"""Save times at which laws are shown, at most."""


def figures(result: SgdResult) -> dict[str, Drawing]:
    """Risks and laws; nothing before a save time of all replicas."""
    if not len(_whole(result)):
        return {}
    return {"sgd_risk": lambda: panel(partial(_draw_risk, result=result)), "sgd_law": lambda: law_figure(result)}


def overview(result: SgdResult) -> Any:
    """Risks above, laws below."""
    width, height = law_size(result)
    figure = new_figure(max(width, 5.0), height + 2.9)
    above, below = figure.subfigures(2, 1, height_ratios=[2.9, height])
    _draw_risk(above.add_subplot(), result)
    draw_laws(below, result)
    return figure


def law_figure(result: SgdResult, pde: SolveResult | None = None) -> Any:
    """The neurons of all replicas as histograms, at a few times, over the marginals of rho_t."""
    figure = new_figure(*law_size(result))
    draw_laws(figure, result, pde)
    return figure


def _draw_risk(axes: Any, result: SgdResult) -> None:
    draw_replicas(axes, result)
    axes.legend()


def draw_replicas(axes: Any, result: SgdResult) -> None:
    """Mean and range of R_N over the replicas, at the save times that all have reached."""
    whole = _whole(result)
    time, risk = result.time[whole], result.risk[:, whole]
    neurons, replicas = result.position.shape[2], len(risk)
    axes.fill_between(time, risk.min(axis=0), risk.max(axis=0), color=ORANGE, alpha=0.25, linewidth=0)
    label = f"SGD, $N = {neurons}$: mean and range of {replicas}" if replicas > 1 else f"SGD, $N = {neurons}$"
    axes.plot(time, risk.mean(axis=0), color=ORANGE, label=label)
    if "test_risk" in result.watched:
        test = result.watched["test_risk"][:, whole].mean(axis=0)
        axes.plot(time, test, color=ORANGE, linestyle=":", label="the same on the test set")
    logarithmic_time(axes, time)
    axes.set_xlabel("time $t$")
    axes.set_ylabel("risk")


def law_size(result: SgdResult) -> tuple[float, float]:
    """Inches of the panels of `draw_laws`."""
    return 2.1 * len(_chosen(result)), 1.9 * len(result.names) + 0.3


def draw_laws(figure: Any, result: SgdResult, pde: SolveResult | None = None) -> None:
    """The neurons of all replicas as histograms, a row for each coordinate, over the marginals of rho_t."""
    names, chosen = result.names, _chosen(result)
    panels = figure.subplots(len(names), len(chosen), squeeze=False)
    view, of_what = (None, "") if pde is None else (view_of(pde), pde.of_what)
    for row, name in enumerate(names):
        for column, index in enumerate(chosen):
            axes = panels[row, column]
            points = result.position[:, index, :, row].ravel()
            neurons = Atoms(points[:, None], np.full(len(points), 1.0 / len(points)))
            law = None if pde is None else pde.law_at(index).marginal(row)
            low, high = _shown(neurons, law)
            axes.set_xlim(low, high)
            if isinstance(law, Atoms):
                _draw_shares(axes, neurons, law, of_what)
                axes.tick_params(labelleft=column == 0)
            else:
                draw_marginal(
                    axes, neurons, np.linspace(low, high, 41), fill=True, color=ORANGE, alpha=0.5, label="SGD"
                )
                if law is not None and view is not None:
                    draw_marginal(axes, law, view.edges[row], color=BLUE, linewidth=1.2, label=of_what)
                axes.set_ylim(0.0, axes.get_ylim()[1])
                axes.set_yticks([])
            if column == 0:
                axes.set_ylabel("share below" if isinstance(law, Atoms) else "density")
            if row == 0:
                axes.set_title(f"$t = {result.time[index]:.3g}$")
            if row == len(names) - 1 or len(names) > 1:
                axes.set_xlabel(symbol(name))
    panels[0, 0].legend(handlelength=1.2)


def _draw_shares(axes: Any, neurons: Atoms, law: Atoms, of_what: str) -> None:
    """Distribution functions: nodes of a quadrature that have moved have no density to draw over a histogram."""
    low, high = axes.get_xlim()
    for known, dashes, look in (
        (sampled(neurons.points[:, 0]), "-", {"color": ORANGE, "label": "SGD"}),
        (distribution(law), "--", {"color": BLUE, "label": of_what}),
    ):
        axes.plot(
            np.concatenate(([low], known.places, [high])), np.concatenate(([0.0], known.levels, [1.0])), dashes, **look
        )
    axes.set_ylim(0.0, 1.03)


def logarithmic_time(axes: Any, time: Array) -> None:
    """Logarithmic where the save times are."""
    steps = np.diff(time)
    if len(steps) > 2 and steps[-1] > 5.0 * steps[1]:
        axes.set_xscale("log")
        axes.set_xlim(time[time > 0.0].min(), time.max())
    elif len(steps):
        axes.set_xlim(time.min(), time.max())


def _whole(result: SgdResult) -> list[int]:
    """The save times that all replicas have reached."""
    return [int(index) for index in np.flatnonzero(np.isfinite(result.risk).all(axis=0))]


def _chosen(result: SgdResult) -> list[int]:
    whole = _whole(result)
    return [whole[place] for place in np.unique(np.linspace(0, len(whole) - 1, TIMES).astype(int))]


def _shown(*laws: Measure | None) -> tuple[float, float]:
    """The interval that holds all but a thousandth of each law of one coordinate, with a margin."""
    ends = [distribution(law).quantile(np.array([1e-3, 1.0 - 1e-3])) for law in laws if law is not None]
    low, high = float(np.min(ends)), float(np.max(ends))
    margin = 0.1 * (high - low) or 0.05 * max(abs(high), 1.0)
    return max(low - margin, 0.0 if low >= 0.0 else low - margin), high + margin
