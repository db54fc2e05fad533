"""The verdict on a stationary law, and what a search of the box covered, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfpde.results.words import place_text
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.solvers.stationary.search import Search
from mfpde.solvers.stationary.stability import Mode, Stability

FEATURE_SHARE = 100.0
"""Error of a second derivative of U over that of U itself, as seen."""


@dataclass(frozen=True)
class Verdict:
    """Whether a law is stable (None: hidden by rounding), and why, one statement each.

    Attributes:
        rate: perturbations grow like exp(rate s) at most; below 0 they decay, NaN where nothing else can move.
    """

    stable: bool | None
    words: tuple[str, ...]
    rate: float


def judge(
    landscape: Landscape,
    law: Atoms,
    modes: Stability,
    better: tuple[float, Array] | None,
    names: Sequence[str],
    feature_error: float,
) -> Verdict:
    """The class of a stationary law.

    Args:
        better: with birth and death, how far G falls below its values on the atoms, and where.
        feature_error: error of U.
    """
    everything = [*modes.splitting, *modes.drift]
    tolerance = sign_tolerance(modes, feature_error)
    grows = [mode for mode in everything if mode.eigenvalue < -tolerance]
    hidden = [mode for mode in everything if not (abs(mode.eigenvalue) > tolerance)]
    slower, schedule = landscape.flow.scale**2, landscape.flow.schedule
    clock = Clock(math.isclose(schedule.scale * slower, 1.0) and schedule.power == 0.0, slower)
    words = [f"unstable: {text}" for text in _growth(landscape, grows, law, names, clock)]
    unsure = [_hidden(mode, tolerance, law, names) for mode in hidden]
    for place, slope in zip(law.points, modes.cones, strict=True):
        if slope > 0.0:
            words.append(f"{place_text(names, place)} is held by a cone, G rises from there with slope {slope:.8g}")
        elif slope <= 0.0:
            unsure.append(f"the slope of the cone at {place_text(names, place)}, {slope:.1e}, is 0 to rounding")
    stable: bool | None = not grows
    fastest = max((0.0 - mode.eigenvalue for mode in everything), default=math.nan)
    if better is not None:
        drop, place = better
        value_tolerance = 1e-10 + 10.0 * feature_error
        if drop > value_tolerance:
            stable = False
            rate = landscape.flow.fisher_rao_rate * drop
            fastest = rate if math.isnan(fastest) else max(rate, fastest)
            words.append(
                f"unstable: births at {place_text(names, place)} grow like {clock.exponential(rate)}, "
                "from any law with mass there"
            )
        elif not (drop <= value_tolerance):
            unsure.append("the least value of G on the box is not finite")
    if stable and unsure:
        return Verdict(None, (*words, *(f"undecided: {text}" for text in unsure)), fastest / slower)
    if stable and everything:
        slowest = min(mode.eigenvalue for mode in everything)
        words.append(f"stable: perturbations decay, the slowest like {clock.exponential(-slowest)}")
    elif stable:
        words.append("stable: nothing else can move")
    return Verdict(stable, (*words, *unsure), fastest / slower)


def sign_tolerance(modes: Stability, feature_error: float) -> float:
    """Size of an eigenvalue below which its sign is rounding, for an error of U."""
    size = max((abs(mode.eigenvalue) for mode in (*modes.splitting, *modes.drift)), default=0.0)
    return 10.0 * modes.error + 1e-12 * max(1.0, size) + FEATURE_SHARE * feature_error


@dataclass(frozen=True)
class Clock:
    """How times are called: t, or the flow time s = ∫xi dt where the schedule is not 1; `slower` = alpha^2."""

    plain: bool
    slower: float = 1.0

    def exponential(self, rate: float) -> str:
        """exp(rate t)."""
        return f"exp({rate / self.slower:.6g} {'t' if self.plain else '∫xi dt'})"


def _growth(landscape: Landscape, grows: Sequence[Mode], law: Atoms, names: Sequence[str], clock: Clock) -> list[str]:
    """What grows and how fast: every splitting mode, and drifts."""
    found = []
    for mode in grows:
        rate = -mode.eigenvalue
        if mode.atom is not None:
            place, along = law.points[mode.atom], direction_text(names, mode.vector[mode.atom])
            found.append(
                f"the atom at {place_text(names, place)} splits along {along}, parts of it move apart like "
                f"{clock.exponential(rate)}, the variance grows like {clock.exponential(2.0 * rate)}"
            )
        elif len(law.weights) == 1:
            found.append(f"the atom as a whole moves away like {clock.exponential(rate)}")
        else:
            masses = ", with their masses," if landscape.flow.fisher_rao_rate > 0.0 else ""
            found.append(f"the atoms as wholes{masses} move away like {clock.exponential(rate)}")
    return found


def _hidden(mode: Mode, tolerance: float, law: Atoms, names: Sequence[str]) -> str:
    """Why a mode has no sign."""
    if mode.atom is None:
        what = "a drift of the atoms"
    else:
        along = direction_text(names, mode.vector[mode.atom])
        what = f"splitting {place_text(names, law.points[mode.atom])} along {along}"
    return f"the eigenvalue {mode.eigenvalue:.1e} of {what} is within {tolerance:.1e} of 0"


def direction_text(names: Sequence[str], vector: Array) -> str:
    """A direction as a combination of coordinates."""
    unit = vector / max(float(np.linalg.norm(vector)), 1e-300)
    largest = int(np.argmax(np.abs(unit)))
    unit = unit * np.sign(unit[largest])
    parts = [(name, part) for name, part in zip(names, unit.tolist(), strict=True) if abs(part) > 1e-6]
    if len(parts) == 1:
        return parts[0][0]
    return " ".join(f"{part:+.3g} {name}" for name, part in parts)


def search_text(names: Sequence[str], vanishing: Sequence[str], kept: Array, search: Search, families: int) -> str:
    """What a search of one face covered, which found so many families besides."""
    inside = ", ".join(names[j] for j in kept)
    where = f"one-atom laws in {inside}" + (f" with {' = '.join([*vanishing, '0'])}" if vanishing else "")
    beside = f" and {families} {'family' if families == 1 else 'families'}" if families else ""
    count = f"{len(search.points)}{beside}"
    if search.cells == 0:
        return f"{where}: {count} found by Newton's method from scattered starts; there may be more"
    covered = "all found" if search.complete else f"{len(search.unsettled)} cells unsettled, more may sit there"
    text = f"{where}: {count}, {covered} ({search.cells} cells"
    if len(search.unsettled):
        text += f", first unsettled: {_box(names, kept, search.unsettled[0])}"
    if len(search.flat):
        text += f"; flat to rounding, so that any atom rests: {_flat(names, kept, search.flat)}"
    return text + ")"


def _flat(names: Sequence[str], kept: Array, cells: Array) -> str:
    """Where the gradient is 0 to rounding: intervals, or in more coordinates the hull of so many cells."""
    if cells.shape[2] > 1:
        hull = np.stack([cells[:, 0].min(axis=0), cells[:, 1].max(axis=0)])
        return f"{len(cells)} cells inside {_box(names, kept, hull)}"
    intervals: list[Array] = []
    for cell in cells[np.argsort(cells[:, 0, 0])]:
        if intervals and cell[0, 0] <= intervals[-1][1, 0] + 1e-12:
            intervals[-1] = np.stack([intervals[-1][0], cell[1]])
        else:
            intervals.append(cell)
    return "; ".join(_box(names, kept, interval) for interval in intervals)


def _box(names: Sequence[str], kept: Array, cell: Array) -> str:
    sides = zip(kept.tolist(), cell[0].tolist(), cell[1].tolist(), strict=True)
    return ", ".join(f"{low:.4g} <= {names[j]} <= {high:.4g}" for j, low, high in sides)
