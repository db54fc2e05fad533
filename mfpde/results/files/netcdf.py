"""Result files: NetCDF-3 (64-bit offset), readable by xarray and by every NetCDF library.

Variables: time, risk, risk_error, free_energy, free_energy_error, dissipation, dissipated, balance, mass, mean_<name>,
variance_<name>, residual where the scheme minimises, and the law, either density(time, <names>) with <name>_edges or
position(time, atom, coordinate) and weight(time, atom). A file that a run can go on from also holds the raw arrays of
its schemes under checkpoint_*.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from mfpde.errors import ResultFileError
from mfpde.results.answers.solve import SERIES, Attribute, SolveResult
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

FORMAT = "mfpde solve 3"
MEANING = {
    "risk": "risk R = E (y - f)^2",
    "risk_error": "estimated discretisation error of the risk",
    "free_energy": "free energy F",
    "free_energy_error": "estimated discretisation error of the free energy",
    "dissipation": "dissipation -dF/dt; NaN: unknown, or an infinite step-size schedule",
    "dissipated": "integral of the dissipation from 0; NaN: unknown",
    "balance": "energy balance |F(t) - F(0) + dissipated|; NaN: unknown",
    "residual": "largest duality gap of the steps so far",
    "mass": "total mass",
}


def save(result: SolveResult, path: str | Path, checkpoint: Checkpoint | None = None) -> None:
    """Write a result, and the arrays to resume from, atomically; raises OutputError."""
    write_atomically(Path(path), lambda temporary: _write(result, temporary, checkpoint or {}))


def load(path: str | Path) -> SolveResult:
    """Read a result file; raises ResultFileError where it is not one, or is damaged."""
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path) -> tuple[SolveResult, dict[str, NDArray[Any]]]:
    """Read a result and the arrays to resume from (empty where there are none)."""
    attributes, variables = read(Path(path), FORMAT)
    try:
        return _result(attributes, variables), checkpoint_arrays(variables)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise ResultFileError(f"{path}: a damaged result file ({error!r}); run it again with --force") from None


def _write(result: SolveResult, path: Path, checkpoint: Checkpoint) -> None:
    with netcdf_file(path, "w", version=2) as file:
        attributes: dict[str, Attribute] = {
            **result.attributes,
            "format": FORMAT,
            "coordinates_of_the_law": " ".join(result.names),
            "scheme": result.scheme,
            "status": result.status,
            "wall_seconds": result.wall_seconds,
        }
        put_attributes(file, attributes)
        # NetCDF's only dimension of length 0 is the unlimited one: that of a run before its first save time.
        file.createDimension("time", len(result.time) or None)
        put(file, "time", ("time",), result.time, "training time t (steps times step size)")
        for key in SERIES:
            put(file, key, ("time",), getattr(result, key), MEANING[key])
        if result.residual is not None:
            put(file, "residual", ("time",), result.residual, MEANING["residual"])
        for axis, name in enumerate(result.names):
            put(file, f"mean_{name}", ("time",), result.mean[:, axis], f"mean of {name}")
            put(file, f"variance_{name}", ("time",), result.variance[:, axis], f"variance of {name}")
        _write_law(file, result)
        put_checkpoint(file, checkpoint)


def _write_law(file: Any, result: SolveResult) -> None:
    if result.density is not None and result.edges is not None:
        for name, edges in zip(result.names, result.edges, strict=True):
            file.createDimension(name, len(edges) - 1)
            file.createDimension(f"{name}_edge", len(edges))
            put(file, name, (name,), 0.5 * (edges[1:] + edges[:-1]), f"cell centres of {name}")
            put(file, f"{name}_edges", (f"{name}_edge",), edges, f"cell edges of {name}")
        meaning = "density of the law; a cell of no width holds its mass"
        put(file, "density", ("time", *result.names), result.density, meaning)
    if result.position is not None and result.weight is not None:
        file.createDimension("atom", result.weight.shape[1])
        file.createDimension("coordinate", len(result.names))
        put(
            file,
            "position",
            ("time", "atom", "coordinate"),
            result.position,
            "atoms of the law; NaN: no atom",
        )
        put(file, "weight", ("time", "atom"), result.weight, "masses of the atoms")


def _result(attributes: dict[str, Attribute], variables: Mapping[str, Any]) -> SolveResult:
    rest = dict(attributes)
    names = tuple(str(rest.pop("coordinates_of_the_law")).split())
    rest.pop("format")
    rest.pop("checksum")
    on_grid = "density" in variables
    moments = {
        key: np.stack([native(variables, f"{key}_{name}") for name in names], axis=1) for key in ("mean", "variance")
    }
    return SolveResult(
        time=native(variables, "time"),
        **{key: native(variables, key) for key in SERIES},
        **moments,
        names=names,
        scheme=str(rest.pop("scheme")),
        status=str(rest.pop("status")),
        wall_seconds=float(rest.pop("wall_seconds")),
        residual=native(variables, "residual") if "residual" in variables else None,
        weight=None if on_grid else native(variables, "weight"),
        position=None if on_grid else native(variables, "position"),
        density=native(variables, "density") if on_grid else None,
        edges=tuple(native(variables, f"{name}_edges") for name in names) if on_grid else None,
        attributes=rest,
    )
