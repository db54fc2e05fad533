"""A cheap run of characteristics that shows where the law goes, and the box and spread that follow from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from mfpde.problem.labels import label_law
from mfpde.problem.problem import Problem
from mfpde.schemes.foretold import LONG
from mfpde.schemes.memory import refuse_trails
from mfpde.shell.progress import duration
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import State, integrate
from mfpde.solvers.objective.kinks import kinks_of
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.space.trails import Trails

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
    from mfpde.solvers.objective.objective import Objective

GUIDE_TIMES, GUIDE_NODES = 41, 6
GUIDE_TOLERANCE = {1: 1e-4}
GUIDE_ATOMS = {1: 3000}
TABLE_SHARE = 0.1
"""Of a tolerance, the accuracy of a condensed table."""
GUIDE_TABLE = 1e-5
"""Accuracy of a condensed table of a guide."""
STARTING_ATOMS = 1000
SPREAD_ATOMS = 150
SPREAD_TIMES = 6
SPREAD_NODES = np.concatenate([np.linspace(-3.0, 3.0, 13), [-8.5, 8.5]])
"""Standard deviations by which noise spreads the atoms of the guide: the bulk, and tails of about 1e-14."""
WIDEST = 100.0
"""Factor by which births under noise may widen a law; beyond, no grid holds it."""
STAGES = 13
"""Velocities of a step of characteristics."""
LEAST_SQUARE, LARGEST_LOG = 1e-30, 50.0
"""Bounds of a variance and of the logarithm of one, as far as a law of one scale has them."""


def run_guide(problem: Problem, configuration: Experiment, warn: Callable[[str], object] | None = None) -> Trails:
    """A cheap run of characteristics that shows where the law goes.

    Where panels are halved on the way, a second pass carries the final ones from the start, so that the atoms
    correspond from time to time. `warn` is told beforehand where that takes long.
    """
    reacts = problem.flow.reacts
    law = label_law(problem.initial_law, int(reacts), GUIDE_TABLE, reacts)
    refuse_trails(law, GUIDE_NODES, GUIDE_TIMES, problem.geometry.dimension)
    reach = np.abs(label_law(problem.initial_law).corners).max(axis=0)
    objective = problem.represent(
        "guide", problem.geometry.cut(Box(-reach, np.maximum(4.0 * reach, 10.0))), 1e-5
    ).objective
    flow = replace(problem.flow, inverse_temperature=np.inf)
    labels = len(law.breaks)
    tolerance, atoms = GUIDE_TOLERANCE.get(labels, 1e-3), (1 + reacts) * GUIDE_ATOMS.get(labels, 1000)
    scheme = characteristics_of(objective, problem.geometry, flow, law, tolerance, atoms, order=GUIDE_NODES)
    end = flow.schedule.flow_time(configuration.time.end)
    times = np.concatenate([[0.0], end * np.geomspace(1e-4, 1.0, GUIDE_TIMES - 1)]) if end > 0 else np.zeros(1)
    laws: list[Atoms] = []

    def save(_: int, state: State) -> None:
        laws.append(scheme.law_of(state))

    start = scheme.initial_state()
    if warn is not None and (text := _foretold(scheme, start, len(times) - 1)):
        warn(text)
    last = integrate(scheme, start, list(times), save)
    if len(laws[-1].weights) > len(laws[0].weights):
        laws.clear()
        integrate(scheme.without_halving(), scheme.state_on(last), list(times), save)
    # births and deaths change the weights: the guide has those that the law comes to have
    weights = np.mean([law.weights for law in laws], axis=0) if reacts else laws[0].weights
    return Trails(np.stack([law.points for law in laws]), weights, times, int(reacts + last.arrays["reach"][0]))


def characteristics_of(
    objective: Objective, geometry: Geometry, flow: Flow, law: LabelLaw, tolerance: float, largest: int, order: int
) -> Characteristics:
    """Characteristics of features with kinks or without; panels of these are laid out once, a tenth as many atoms."""
    if kinks_of(objective.features) is None:
        from mfpde.solvers.characteristics.characteristics import Characteristics

        return Characteristics(objective, geometry, flow, law, tolerance, largest, order)
    from mfpde.solvers.characteristics.sliding import SlidingCharacteristics

    return SlidingCharacteristics(objective, geometry, flow, law, tolerance, largest // 10, order)


def _foretold(scheme: Characteristics, start: State, stops: int) -> str:
    """That a guide takes long, in words, by the velocities of one step for each stop at least."""
    begin = perf_counter()
    scheme.state_on(start)
    seconds = (perf_counter() - begin) * STAGES * stops
    return "" if seconds < LONG else f"where the law goes takes about {duration(seconds)} to see, before the run begins"


def starting_guide(problem: Problem) -> Trails:
    """The law at t = 0 alone: `STARTING_ATOMS` draws of it."""
    positions = problem.initial_law.sample(STARTING_ATOMS, seed=0)
    return Trails(positions[None], np.full(STARTING_ATOMS, 1.0 / STARTING_ATOMS), np.zeros(1))


def visited_box(problem: Problem, guide: Trails) -> Box:
    """The box the law visits, with a margin; radii start at 0 where the law comes near, circles are whole."""
    lower, upper = guide.positions.min(axis=(0, 1)), guide.positions.max(axis=(0, 1))
    margin = 0.25 * (upper - lower) + 0.02 * np.abs(upper)
    low, high = lower - margin, upper + margin
    radii = problem.geometry.even
    low = np.where(radii & (low < 0.25 * lower), 0.0, low)
    flat = high - low <= 0
    return problem.geometry.cut(Box(np.where(flat & ~radii, low - 0.5, low), np.where(flat, high + 0.5, high)))


def spread_guide(problem: Problem, guide: Trails) -> Trails:
    """The guide as noise spreads it, one coordinate at a time and bounded from above.

    With only the ridge lambda the law in p dimensions is an Ornstein-Uhlenbeck law: by t it gains the variance
    s^2 = (1 - e^(-2 lambda t)) / (2 beta lambda) in each dimension, that is p s^2 in r^2. Every atom is taken
    without that gain, with half and with all of it, and moved by up to 8.5 s. In many dimensions the law is
    narrow: times are added between the guide's, so that it is seen everywhere on its way. Births widen it besides, as
    `widened` says.
    """
    flow, geometry = problem.flow, problem.geometry
    guide = _between(_thinned(guide), geometry)
    ridge = np.array(flow.confinement(geometry).ridge)
    passed = np.outer(geometry.mobility * flow.transport, guide.times)
    doubled = 2.0 * ridge[:, None]
    gained = np.divide(-np.expm1(-doubled * passed), doubled, out=passed.copy(), where=doubled > 0.0)
    variance = gained[:, :, None] / flow.inverse_temperature
    shares, nodes = (part.ravel() for part in np.meshgrid([0.0, 0.5, 1.0], SPREAD_NODES, indexing="ij"))
    weights = np.maximum(np.exp(-0.5 * nodes**2), 1e-9)
    positions = np.repeat(guide.positions, len(nodes), axis=1)
    atoms = guide.positions.shape[1]
    share, node = np.tile(shares, atoms), np.tile(nodes, atoms)
    for a, (axis, moves) in enumerate(zip(geometry.axes, geometry.mobile, strict=True)):
        if moves and flow.fisher_rao_rate > 0.0:
            places = guide.positions[:, :, a]
            centre = np.zeros(len(places)) if axis.even else places @ guide.weights
            square = float(guide.weights @ (places[0] - centre[0]) ** 2) / axis.dimension
            wider = widened(flow, square, guide.times, geometry.mobility[a], ridge[a])[:, None] ** share
            positions[:, :, a] = centre[:, None] + (positions[:, :, a] - centre[:, None]) * wider
        if moves:
            positions[:, :, a] = axis.spread(positions[:, :, a], share, node, variance[a])
    return Trails(positions, np.outer(guide.weights, weights / weights.sum()).ravel(), guide.times)


def widened(flow: Flow, square: float, times: Array, mobility: float, ridge: float) -> Array:
    """By how much births and deaths widen a Gaussian law under noise and ridge, next to what noise does, shape (T,).

    Its variance s in each dimension obeys ds/dt = m / beta - 2 m lambda s + alpha s (1 / (2 beta) - lambda s), the
    first two terms with transport only; it starts from `square`.
    """
    from scipy.integrate import solve_ivp

    noise = 1.0 / flow.inverse_temperature

    def growth(rate: float) -> Array:
        def slope(_: float, log: Array) -> Array:
            s = np.exp(np.minimum(log, LARGEST_LOG))
            return flow.transport * mobility * (noise / s - 2.0 * ridge) + rate * (0.5 * noise - ridge * s)

        start = [math.log(max(square, LEAST_SQUARE))]
        span = float(times[0]), float(times[-1])
        return np.asarray(solve_ivp(slope, span, start, "LSODA", times, rtol=1e-6, atol=1e-6).y[0])

    if not (times[-1] > times[0]):
        return np.ones(len(times))
    log = 0.5 * (growth(flow.fisher_rao_rate) - growth(0.0))
    return np.asarray(np.exp(np.clip(log, 0.0, math.log(WIDEST))))


def _thinned(guide: Trails) -> Trails:
    """`SPREAD_ATOMS` atoms of equal weight drawn systematically, and the outermost ones."""
    cumulative = np.cumsum(guide.weights) / guide.weights.sum()
    drawn = np.searchsorted(cumulative, (np.arange(SPREAD_ATOMS) + 0.5) / SPREAD_ATOMS)
    drawn = np.unique(np.minimum(drawn, len(cumulative) - 1))
    outermost = np.unique([guide.positions.argmin(axis=1), guide.positions.argmax(axis=1)])
    weights = np.concatenate([np.ones(len(drawn)), np.full(len(outermost), 1e-3)])
    return Trails(guide.positions[:, np.concatenate([drawn, outermost])], weights / weights.sum(), guide.times)


def _between(guide: Trails, geometry: Geometry) -> Trails:
    """The guide with `SPREAD_TIMES` - 1 times, and the atoms' places on a straight line, between its own."""
    count = len(guide.times)
    places = np.linspace(0.0, count - 1.0, (count - 1) * SPREAD_TIMES + 1)
    index = np.minimum(places.astype(int), max(count - 2, 0))
    following = np.minimum(index + 1, count - 1)
    share = places - index
    times = guide.times[index] * (1.0 - share) + guide.times[following] * share
    late, here, there = share[:, None, None], guide.positions[index], guide.positions[following]
    ahead = np.where(geometry.periodic, here + geometry.displacement(here, there), there)
    return Trails(geometry.turned(here * (1.0 - late) + ahead * late), guide.weights, times)
