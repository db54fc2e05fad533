"""The runs of a sweep: what each computes, and the file that keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from mfpde.configuration.toml import to_toml
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.files.netcdf_file import Attribute
from mfpde.results.objects import Part
from mfpde.shell.files import read_json, write_json
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.coupled import Drift, particle_dynamics
from mfpde.solvers.networks.population import Measured, Population
from mfpde.solvers.sgd.engine import SgdState
from mfpde.studies.sgd.networks import build_ensemble, build_sgd, each, first_state, population_of
from mfpde.studies.sgd.refusals import save_steps
from mfpde.studies.solve import solve

FLOW_TOLERANCE = 1e-5


@dataclass(frozen=True)
class RunSpec:
    """One run, a pure function of these values.

    Attributes:
        kind: "sgd"; "flow", the gradient flow of the N neurons from the same theta^0; "pde".
        configuration: what is run, with everything in it that matters to this kind and nothing else.
        replica: which stream of random numbers; 0 for "pde".
    """

    FORMAT: ClassVar[str] = "mfpde bounds run 1"

    kind: str
    configuration: Experiment
    replica: int

    @property
    def key(self) -> str:
        """A name of the run that any change of its configuration changes."""
        text = f"{self.FORMAT}\n{self.kind}\n{self.replica}\n{to_toml(self.configuration)}"
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"

    @property
    def cost(self) -> float:
        """A guess of the work, in parameters times steps."""
        configuration = self.configuration
        neurons, dimension = configuration.sgd.neurons, configuration.data.dimension
        if configuration.sgd.state == "gram":
            dimension = min(dimension, 4.0 * neurons * len(configuration.data.axes()))
        if self.kind == "sgd":
            return neurons * (dimension + 20.0) * configuration.time.end / configuration.sgd.step_size
        return 5000.0 * neurons * (neurons + dimension)


@dataclass(frozen=True)
class Curve(Part):
    """A risk curve.

    Attributes:
        time: t, shape (T,).
        risk: R_N or R, shape (T,).
        error: largest estimated error; 0 where the risk is exact.
        wall_seconds: time of the run.
    """

    time: Array
    risk: Array
    error: float = 0.0
    wall_seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether there is a finite risk at every time."""
        same = self.time.shape == self.risk.shape and self.time.ndim == 1 and len(self.time) > 0
        return same and bool(np.all(np.isfinite(self.risk)))

    def at(self, time: Array) -> Array:
        """The risk at times that are among those of the curve up to rounding; raises ValueError for others."""
        index = np.clip(np.searchsorted(self.time, time), 1, max(len(self.time) - 1, 1))
        index = np.minimum(index, len(self.time) - 1)
        nearest = np.where(np.abs(self.time[index - 1] - time) < np.abs(self.time[index] - time), index - 1, index)
        if not np.all(np.abs(self.time[nearest] - time) <= 1e-8 * self.time[-1]):
            raise ValueError("a curve was asked for at a time it was not recorded at")
        return np.asarray(self.risk[nearest])


def compute(spec: RunSpec) -> Curve:
    """The risk curve of a run; raises ArithmeticError, ValueError or StepFailure where it breaks down."""
    if spec.kind == "pde":
        return _pde(spec.configuration)
    return together([spec])[0]


def together(specs: Sequence[RunSpec]) -> list[Curve]:
    """The risk curves of runs that differ by their replica, which SGD makes side by side; raises as `compute`."""
    started, spec = monotonic(), specs[0]
    with np.errstate(all="ignore"):
        times, rows = _sgd(specs) if spec.kind == "sgd" else _flow(spec)
        populations = [_population(each) for each in specs]
        measured = [each(spec.configuration, _measured, populations, states) for states in rows]
    if not np.all(np.isfinite(measured)):
        raise ArithmeticError(f"the risk of {spec.kind} is not finite: lower sgd.step_size")
    curves = np.moveaxis(np.array(measured), 0, 1)
    seconds = (monotonic() - started) / len(specs)
    return [Curve(np.array(times), curve[:, 0], float(curve[:, 1].max()), seconds) for curve in curves]


def _measured(population: Population, state: SgdState) -> Measured:
    return population.measure(*state.parts)


def _population(spec: RunSpec) -> Population:
    configuration = spec.configuration
    return population_of(
        build_problem(configuration), build_sgd(configuration, spec.replica), configuration.sgd.neurons
    )


def _sgd(specs: Sequence[RunSpec]) -> tuple[list[float], Iterable[list[SgdState]]]:
    configuration = specs[0].configuration
    ensemble, stops = build_ensemble(configuration, [spec.replica for spec in specs]), save_steps(configuration)
    problem = build_problem(configuration)
    states = [first_state(configuration, problem, member) for member in ensemble.members]
    return [stop * ensemble.problem.step_size for stop in stops], ensemble.run(states, stops)


def _flow(spec: RunSpec) -> tuple[list[float], Iterable[list[SgdState]]]:
    sgd = build_sgd(spec.configuration, spec.replica)
    state = first_state(spec.configuration, build_problem(spec.configuration), sgd)
    times = list(spec.configuration.time.save_times)
    flow_times = [sgd.schedule.flow_time(time) for time in times]
    population = population_of(build_problem(spec.configuration), sgd, state.neurons)
    drift = Drift(sgd.in_coordinates(state.neurons), population)
    return times, ([state] for state in particle_dynamics(drift, state, flow_times, FLOW_TOLERANCE))


def _pde(configuration: Experiment) -> Curve:
    result = solve(configuration)
    if result.status == "interrupted":
        raise KeyboardInterrupt
    if result.status != "success":
        raise ArithmeticError(f"the PDE was not solved: {result.attributes.get('message', result.status)}")
    return Curve(result.time, result.risk, float(result.risk_error.max(initial=0.0)), result.wall_seconds)


Found = TypeVar("Found", bound=Curve)


class Store(Generic[Found]):
    """Finished curves by key: in memory, and in a folder if there is one.

    Args:
        folder: where each run is a file; None to keep them in memory only.
        attributes: provenance, written into every file.
        curve: what a run gives.
    """

    def __init__(self, folder: Path | None, attributes: Mapping[str, Attribute], curve: type[Found]) -> None:
        self.folder, self._curve = folder, curve
        self._attributes = {key: value for key, value in attributes.items() if key != "configuration"}
        self._curves: dict[str, Found] = {}

    def get(self, spec: RunSpec) -> Found | None:
        """The curve of a run, if it is finished."""
        return self._curves.get(spec.key)

    def put(self, spec: RunSpec, curve: Found) -> None:
        """Keep a finished run; raises OutputError."""
        if self.folder is not None:
            write_json(self._path(spec), {**self._told(spec), **self._attributes, **curve.to_json()})
        self._curves[spec.key] = curve

    def read(self, spec: RunSpec) -> bool:
        """Look for the run's file; one that is damaged, or of another configuration, counts as none."""
        if self.folder is None:
            return False
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            content: dict[str, Any] = read_json(self._path(spec))
            curve = self._curve.from_json(content)
            if curve.whole and self._told(spec).items() <= content.items():
                self._curves[spec.key] = curve
                return True
        return False

    @staticmethod
    def _told(spec: RunSpec) -> dict[str, Any]:
        """What a file says of its run."""
        configuration = to_toml(spec.configuration)
        return {"format": spec.FORMAT, "kind": spec.kind, "replica": spec.replica, "configuration": configuration}

    def _path(self, spec: RunSpec) -> Path:
        assert self.folder is not None
        return self.folder / f"{spec.key}.json"
