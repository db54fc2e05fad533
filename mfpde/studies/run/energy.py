"""What the energy says of a run: whether its balance closes, and whether the law has come to rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfpde.results.answers.solve import SolveResult

ERROR_FACTOR = 10.0
"""Balance allowed per error of the risk: F has more terms than R, and the integral of D an error of its own."""
MARGIN_SHARE = 1e-3
"""By how much a margin that stands may have moved over the last tenth of the time, relative to it."""
SHARE = 0.01
"""Balance allowed per dissipated energy: what a coarse grid or a coarse time step may well do to D."""


def balance_warning(result: SolveResult) -> str | None:
    """Where |F(t) - F(0) + ∫D| is larger than the errors of the run explain, and what to do; None where it is not.

    F and D are discretised on their own, so that the balance is of the size of the discretisation error where both
    are right; it may be 10 times the largest `risk_error` so far, and 1 % of the energy dissipated so far.
    """
    allowed = ERROR_FACTOR * np.maximum.accumulate(result.risk_error) + SHARE * np.abs(result.dissipated)
    # where D is unknown nothing can be said; infinite is as bad as it gets
    known = ~np.isnan(result.balance)
    off = known & ~(result.balance <= allowed)
    if not off.any():
        return None
    worst = int(np.argmax(np.where(off, result.balance, -1.0)))
    problem = f"the energy balance |F(t) - F(0) + ∫D| is off by {result.balance[worst]:.2g} at t = "
    problem += f"{result.time[worst]:.6g}, where the errors of the run explain {allowed[worst]:.2g}"
    return f"{problem}: distrust the run; write a smaller solver.tolerance or solver.step, or more solver.cells"


def rest_level(tolerance: float, risk: float, recedes: bool) -> float:
    """The dissipation at which a law rests: of a loss that falls for ever D is of the order of R^2 on the way."""
    return tolerance * min(1.0, risk**2) if recedes else tolerance


def margin_stands(times: Sequence[float], margins: Sequence[float]) -> bool:
    """Whether the normalised margin is positive at the last time, and rose by little over the last tenth of it."""
    early = [margin for time, margin in zip(times, margins, strict=True) if time <= 0.9 * times[-1]]
    return len(early) > 1 and margins[-1] > 0.0 and abs(margins[-1] - early[-1]) <= MARGIN_SHARE * margins[-1]


def margin_verdict(times: Sequence[float], margins: Sequence[float]) -> str:
    """The normalised margin at which a run until it stands stopped, or that it still rises."""
    if margin_stands(times, margins):
        share = f"which moved by less than {MARGIN_SHARE:g} of it over the last tenth"
        return f"normalised margin {margins[-1]:.6g} at t = {times[-1]:.6g}, {share}"
    problem = f"the normalised margin, {margins[-1]:.6g} at t = {times[-1]:.6g}, does not stand yet"
    return f'{problem}; write a later time.end, or clock = "loss"'


def stationary_verdict(time: float, dissipation: float, tolerance: float, level: float) -> str:
    """At which t and D a run until stationary stopped, or that it did not come to rest, at a level."""
    limit = f"time.stationary_tolerance = {tolerance:g}"
    if level != tolerance:
        limit = f"{limit} times R^2, as the loss has no minimiser to rest at"
    if dissipation <= level:
        return f"stationary at t = {time:.6g}: D = {dissipation:.3g} per unit of flow time, within {limit}"
    problem = f"not stationary by t = {time:.6g}: D = {dissipation:.3g} per unit of flow time, above {limit}"
    return f"{problem}; write a later time.end, or a larger tolerance"
