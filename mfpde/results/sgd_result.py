"""The result of `sgd`: exact risk curves of replicas, and the neurons' law at every save time; its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from mfpde.results.errors import ResultFileError
from mfpde.results.netcdf_file import (
    Checkpoint,
    checkpoint_arrays,
    native,
    put,
    put_attributes,
    put_checkpoint,
    read,
)
from mfpde.results.output import write_atomically
from mfpde.results.solve_result import Array, Attribute, numbers

FORMAT = "mfpde sgd 1"


@dataclass(frozen=True)
class SgdResult:
    """Trajectories of one-pass SGD.

    Attributes:
        time: t = k eps at the save times, shape (T,).
        risk: exact population risk R_N of every replica, shape (R, T); NaN where it is not computed yet.
        position: the neurons in the reduced coordinates, shape (R, T, N, D).
        names: the D coordinates.
        steps: k at the last save time.
        status: "success", "interrupted", "failed" or "running".
        wall_seconds: time spent, over all resumed parts.
        attributes: provenance.
    """

    time: Array
    risk: Array
    position: Array
    names: tuple[str, ...]
    steps: int
    status: str
    wall_seconds: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def mean(self) -> Array:
        """Mean of each coordinate over the neurons, shape (R, T, D)."""
        return np.asarray(self.position.mean(axis=2))

    @property
    def variance(self) -> Array:
        """Variance of each coordinate over the neurons, shape (R, T, D)."""
        return np.asarray(self.position.var(axis=2))

    def to_json(self) -> dict[str, Any]:
        """The time series as JSON values, replicas x time; a number that is not finite becomes None."""
        moments = {
            key: {name: [numbers(row) for row in values[:, :, axis]] for axis, name in enumerate(self.names)}
            for key, values in (("mean", self.mean), ("variance", self.variance))
        }
        return {
            "time": numbers(self.time),
            "risk": [numbers(row) for row in self.risk],
            **moments,
            "steps": self.steps,
            "wall_seconds": self.wall_seconds,
            "status": self.status,
        }


def save_sgd(result: SgdResult, path: str | Path, checkpoint: Checkpoint | None = None) -> None:
    """Write a result, and the arrays to resume from, atomically; raises OutputError."""
    write_atomically(Path(path), lambda temporary: _write(result, temporary, checkpoint or {}))


def load_sgd(path: str | Path) -> tuple[SgdResult, dict[str, NDArray[Any]]]:
    """Read a result and the arrays to resume from; raises ResultFileError where the file is none, or damaged."""
    attributes, variables = read(Path(path), FORMAT)
    try:
        rest = dict(attributes)
        rest.pop("format")
        rest.pop("checksum")
        result = SgdResult(
            time=native(variables, "time"),
            risk=native(variables, "risk"),
            position=native(variables, "position"),
            names=tuple(str(rest.pop("coordinates_of_the_law")).split()),
            steps=int(rest.pop("steps")),
            status=str(rest.pop("status")),
            wall_seconds=float(rest.pop("wall_seconds")),
            attributes=rest,
        )
        return result, checkpoint_arrays(variables)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise ResultFileError(f"{path}: a damaged result file ({error!r}); run it again with --force") from None


def _write(result: SgdResult, path: Path, checkpoint: Checkpoint) -> None:
    replicas, times, neurons, dimension = result.position.shape
    with netcdf_file(path, "w", version=2) as file:
        own: dict[str, Attribute] = {
            "format": FORMAT,
            "coordinates_of_the_law": " ".join(result.names),
            "steps": result.steps,
            "status": result.status,
            "wall_seconds": result.wall_seconds,
        }
        put_attributes(file, {**result.attributes, **own})
        for name, length in (("time", times), ("replica", replicas), ("neuron", neurons), ("coordinate", dimension)):
            file.createDimension(name, length)
        put(file, "time", ("time",), result.time, "training time t (steps times step size)")
        put(file, "risk", ("replica", "time"), result.risk, "population risk of the network, exact; NaN: not computed")
        axes = ("replica", "time", "neuron", "coordinate")
        put(file, "position", axes, result.position, "the neurons in the reduced coordinates; NaN: not computed")
        put_checkpoint(file, checkpoint)
