"""Files of `sgd`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from scipy.io import netcdf_file

from mfpde.errors import ResultFileError
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import Attribute
from mfpde.results.files.netcdf_file import (
    Checkpoint,
    checkpoint_arrays,
    native,
    put,
    put_attributes,
    put_checkpoint,
    read,
)
from mfpde.shell.files import write_atomically

FORMAT = "mfpde sgd 1"


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
