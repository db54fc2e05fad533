"""The last law that a run recorded, and how it moves: what there is to say of an ending before anything is searched."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mfpde.errors import ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.schemes.interface import SCHEMES
from mfpde.solvers.arrays import Array
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.studies.distance import Pieces, pieces
from mfpde.studies.ending.clusters import DUST
from mfpde.studies.run.output import configuration_of


@dataclass(frozen=True)
class RunEnd:
    """The end of a run: its last law, and what was recorded of it.

    Attributes:
        configuration: of the run.
        names: reduced coordinates.
        time: t of the last save time.
        pieces: the law; all replicas of SGD together.
        mean, variance: per coordinate.
        size: largest sqrt(∫|z|^2 drho) at any save time.
        risk: R; of SGD the mean of the replicas' exact risks.
        free_energy: F as recorded; NaN for SGD.
        dissipation: D per unit of flow time as the scheme recorded it; NaN where it did not.
        sampled: whether the pieces are neurons or particles drawn at random.
        words: what the reader should know of the law.
    """

    configuration: Experiment
    names: tuple[str, ...]
    time: float
    pieces: Pieces
    mean: Array
    variance: Array
    size: float
    risk: float
    free_energy: float
    dissipation: float
    sampled: bool
    words: tuple[str, ...] = ()


def run_end(result: SolveResult | SgdResult, name: str) -> RunEnd:
    """The last law of a result; raises ResultFileError where it recorded none. `name` is what errors call it."""
    return _of_neurons(result, name) if isinstance(result, SgdResult) else _of_equation(result, name)


def _of_equation(result: SolveResult, name: str) -> RunEnd:
    if not len(result.time):
        raise ResultFileError(f"{name}: holds no save time yet; continue it with `mfpde solve --resume`")
    configuration = configuration_of(result, name)
    time = float(result.time[-1])
    rate = build_problem(configuration).flow.schedule.rate(time)
    return RunEnd(
        configuration=configuration,
        names=result.names,
        time=time,
        pieces=pieces(result.law()),
        mean=result.mean[-1],
        variance=result.variance[-1],
        size=math.sqrt(float(np.max((result.mean**2 + result.variance).sum(axis=1)))),
        risk=float(result.risk[-1]),
        free_energy=float(result.free_energy[-1]),
        dissipation=float(result.dissipation[-1]) / rate if 0.0 < rate < math.inf else math.nan,
        sampled=result.scheme in SCHEMES and SCHEMES[result.scheme].samples,
        words=_unfinished(result.status, time),
    )


def _of_neurons(result: SgdResult, name: str) -> RunEnd:
    whole = np.flatnonzero(np.isfinite(result.risk).all(axis=0))
    if not whole.size:
        raise ResultFileError(f"{name}: no save time has all replicas yet; continue it with `mfpde sgd --resume`")
    last = int(whole[-1])
    time, risks = float(result.time[last]), result.risk[:, last]
    neurons = result.position[:, last].reshape(-1, len(result.names))
    square = (result.position[:, whole] ** 2).sum(axis=3).mean(axis=(0, 2))
    words = [f"{result.position.shape[2]} neurons of SGD, which its noise keeps moving"]
    if len(risks) > 1:
        words[0] = (
            f"{len(risks)} replicas of {result.position.shape[2]} neurons taken together, their risks from "
            f"{risks.min():.6g} to {risks.max():.6g}; the noise of SGD keeps them moving"
        )
    return RunEnd(
        configuration=configuration_of(result, name),
        names=result.names,
        time=time,
        pieces=Pieces(np.full(len(neurons), 1.0 / len(neurons)), neurons, neurons),
        mean=neurons.mean(axis=0),
        variance=neurons.var(axis=0),
        size=math.sqrt(float(square.max())),
        risk=float(risks.mean()),
        free_energy=math.nan,
        dissipation=math.nan,
        sampled=True,
        words=(*words, *_unfinished(result.status, time)),
    )


def _unfinished(status: str, time: float) -> tuple[str, ...]:
    return () if status == "success" else (f"the run is not complete ({status}): this is its law at t = {time:.6g}",)


@dataclass(frozen=True)
class Motion:
    """How a law moves without noise, per unit of flow time.

    Attributes:
        velocity: of every piece, shape (n, D); 0 where a bound holds it.
        dissipation: D = 2 (∫|grad G|^2 drho + alpha Var_rho G).
        speed: the largest |velocity|, the fastest pieces of mass `DUST` together left aside.
    """

    velocity: Array
    dissipation: float
    speed: float


def motion(landscape: Landscape, law: Pieces) -> Motion:
    """The velocity -grad G of every piece; what touches a wall does not cross it."""
    centres = law.centres
    value, gradient = landscape.potential(centres, landscape.objective.outputs(centres, law.masses))
    velocity = -gradient * landscape.geometry.mobility
    walls = landscape.geometry.walls
    stopped = walls.stops(law.lower, velocity) | walls.stops(law.upper, velocity)
    velocity = np.where(stopped, 0.0, velocity)
    squares = (velocity**2).sum(axis=1)
    variance = float(law.masses @ (value - law.masses @ value) ** 2)
    order = np.argsort(squares)
    kept = np.cumsum(law.masses[order]) <= 1.0 - DUST
    fastest = float(squares[order][min(int(kept.sum()), len(order) - 1)])
    dissipation = 2.0 * (float(law.masses @ squares) + landscape.flow.fisher_rao_rate * variance)
    return Motion(velocity, dissipation, math.sqrt(fastest))
