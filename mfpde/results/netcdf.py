"""Result files: NetCDF-3 (64-bit offset), readable by xarray and by every NetCDF library.

Variables: time, risk, risk_error, free_energy, dissipation, dissipated, balance, mass, mean_<name>,
variance_<name>, residual where the scheme minimises, and the law, either density(time, <names>) with <name>_edges or
position(time, atom, coordinate) and weight(time, atom). A file that a run can go on from also holds the raw arrays of
its schemes under checkpoint_*.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from mfpde.reading import one_line
from mfpde.results.errors import ResultFileError
from mfpde.results.output import write_atomically
from mfpde.results.solve_result import Array, Attribute, SolveResult

FORMAT = "mfpde solve 2"
SERIES = ("risk", "risk_error", "free_energy", "dissipation", "dissipated", "balance", "mass")
MEANING = {
    "risk": "risk R = E (y - f)^2",
    "risk_error": "estimated discretisation error of the risk",
    "free_energy": "free energy F",
    "dissipation": "dissipation -dF/dt; NaN: unknown, or an infinite step-size schedule",
    "dissipated": "integral of the dissipation from 0; NaN: unknown",
    "balance": "energy balance |F(t) - F(0) + dissipated|; NaN: unknown",
    "residual": "largest duality gap of the steps so far",
    "mass": "total mass",
}
PREFIX = "checkpoint_"
Checkpoint = Mapping[str, NDArray[Any]]


def save(result: SolveResult, path: str | Path, checkpoint: Checkpoint | None = None) -> None:
    """Write a result, and the arrays to resume from, atomically; raises OutputError."""
    write_atomically(Path(path), lambda temporary: _write(result, temporary, checkpoint or {}))


def load(path: str | Path) -> SolveResult:
    """Read a result file; raises ResultFileError where it is not one, or is damaged."""
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path) -> tuple[SolveResult, dict[str, NDArray[Any]]]:
    """Read a result and the arrays to resume from (empty where there are none)."""
    attributes, variables = _read(Path(path))
    try:
        return _result(attributes, variables), _checkpoint(attributes, variables)
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
        for key, value in attributes.items():
            setattr(file, key, value.encode("utf-8") if isinstance(value, str) else value)
        # NetCDF's only dimension of length 0 is the unlimited one: that of a run before its first save time.
        file.createDimension("time", len(result.time) or None)
        _put(file, "time", ("time",), result.time, "training time t (steps times step size)")
        for key in SERIES:
            _put(file, key, ("time",), getattr(result, key), MEANING[key])
        if result.residual is not None:
            _put(file, "residual", ("time",), result.residual, MEANING["residual"])
        for axis, name in enumerate(result.names):
            _put(file, f"mean_{name}", ("time",), result.mean[:, axis], f"mean of {name}")
            _put(file, f"variance_{name}", ("time",), result.variance[:, axis], f"variance of {name}")
        _write_law(file, result)
        for key, array in checkpoint.items():
            _put_checkpoint(file, PREFIX + key, np.asarray(array))
        file.checksum = _checksum({name: variable.data for name, variable in file.variables.items()})


def _write_law(file: Any, result: SolveResult) -> None:
    if result.density is not None and result.edges is not None:
        for name, edges in zip(result.names, result.edges, strict=True):
            file.createDimension(name, len(edges) - 1)
            file.createDimension(f"{name}_edge", len(edges))
            _put(file, name, (name,), 0.5 * (edges[1:] + edges[:-1]), f"cell centres of {name}")
            _put(file, f"{name}_edges", (f"{name}_edge",), edges, f"cell edges of {name}")
        meaning = "density of the law; a cell of no width holds its mass"
        _put(file, "density", ("time", *result.names), result.density, meaning)
    if result.position is not None and result.weight is not None:
        file.createDimension("atom", result.weight.shape[1])
        file.createDimension("coordinate", len(result.names))
        _put(
            file,
            "position",
            ("time", "atom", "coordinate"),
            result.position,
            "atoms of the law; NaN: no atom",
        )
        _put(file, "weight", ("time", "atom"), result.weight, "masses of the atoms")


def _put(file: Any, name: str, dimensions: tuple[str, ...], values: Array, meaning: str) -> None:
    variable = file.createVariable(name, "d", dimensions)
    if values.size:
        variable[...] = values
    variable.long_name = meaning.encode("utf-8")


def _put_checkpoint(file: Any, name: str, array: NDArray[Any]) -> None:
    """Store an array bit for bit; NetCDF-3 has no 64-bit integers, so these go as pairs of 32-bit ones."""
    if array.dtype not in (np.float64, np.int64):
        raise TypeError(f"checkpoint array {name} is {array.dtype}: use float64 or int64")
    flat = np.ascontiguousarray(array).reshape(-1)
    stored = flat if array.dtype == np.float64 else flat.view(np.int32)
    # A dimension of length 0 would be NetCDF's unlimited one: an empty array is stored as one spare number.
    padded = stored if stored.size else np.zeros(1, dtype=stored.dtype)
    file.createDimension(f"{name}_length", padded.size)
    variable = file.createVariable(name, "d" if array.dtype == np.float64 else "i", (f"{name}_length",))
    variable[:] = padded
    variable.array_shape = " ".join(["shape", *map(str, array.shape)]).encode("ascii")
    variable.array_dtype = str(array.dtype).encode("ascii")


def _read(path: Path) -> tuple[dict[str, Attribute], dict[str, Any]]:
    """The attributes and variables (array, attributes) of a NetCDF file that this program wrote."""
    try:
        if not path.is_file():
            kind = "no ordinary file" if path.exists() else "no such file"
            problem = "is a directory" if path.is_dir() else kind
            raise ResultFileError(f"{path}: {problem}; write the path of a file that `mfpde solve -o` made")
        with path.open("rb") as stream, netcdf_file(stream, "r", mmap=False) as file:
            attributes = {key: _plain(value) for key, value in file._attributes.items()}
            variables = {
                name: (np.array(variable.data), {k: _plain(v) for k, v in variable._attributes.items()})
                for name, variable in file.variables.items()
            }
    except ResultFileError:
        raise
    except OSError as error:
        remedy = "write the path of a readable file"
        raise ResultFileError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from None
    except Exception as error:  # the parser of a damaged file may raise anything
        problem = f"not a NetCDF-3 file, or cut off ({one_line(str(error))})"
        raise ResultFileError(f"{path}: {problem}; write a file that `mfpde solve -o` made") from None
    found = _checksum({name: array for name, (array, _) in variables.items()}).decode("ascii")
    if attributes.get("format") == FORMAT and attributes.get("checksum") != found:
        problem = "damaged: its numbers are not those that were written"
        raise ResultFileError(f"{path}: {problem}; run it again with --force")
    if attributes.get("format") != FORMAT:
        problem = "a NetCDF file, but not a result of this program"
        if str(attributes.get("format", "")).startswith(FORMAT.rpartition(" ")[0]):
            problem = f"made by another version ({attributes.get('version_mfpde')}), which this one cannot read"
        raise ResultFileError(f"{path}: {problem}; write a file that `mfpde solve -o` made")
    return attributes, variables


def _checksum(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """CRC-32 of the stored numbers, by which a damaged file is known."""
    checksum = 0
    for name in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[name]).data, checksum)
    return f"crc32 {checksum:08x}".encode("ascii")


def _plain(value: Any) -> Attribute:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    plain: Attribute = value.item() if isinstance(value, np.ndarray | np.generic) else value
    return plain


def _native(variables: Mapping[str, Any], name: str) -> Array:
    """A float64 variable in the machine's byte order."""
    return np.array(variables[name][0], dtype=np.float64)


def _result(attributes: dict[str, Attribute], variables: Mapping[str, Any]) -> SolveResult:
    rest = dict(attributes)
    names = tuple(str(rest.pop("coordinates_of_the_law")).split())
    rest.pop("format")
    rest.pop("checksum")
    on_grid = "density" in variables
    moments = {
        key: np.stack([_native(variables, f"{key}_{name}") for name in names], axis=1) for key in ("mean", "variance")
    }
    return SolveResult(
        time=_native(variables, "time"),
        **{key: _native(variables, key) for key in SERIES},
        **moments,
        names=names,
        scheme=str(rest.pop("scheme")),
        status=str(rest.pop("status")),
        wall_seconds=float(rest.pop("wall_seconds")),
        residual=_native(variables, "residual") if "residual" in variables else None,
        weight=None if on_grid else _native(variables, "weight"),
        position=None if on_grid else _native(variables, "position"),
        density=_native(variables, "density") if on_grid else None,
        edges=tuple(_native(variables, f"{name}_edges") for name in names) if on_grid else None,
        attributes=rest,
    )


def _checkpoint(attributes: Mapping[str, Attribute], variables: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, (stored, described) in variables.items():
        if name.startswith(PREFIX):
            shape = tuple(int(length) for length in str(described["array_shape"]).split()[1:])
            kind = np.dtype(str(described["array_dtype"]))
            flat = stored.astype(stored.dtype.newbyteorder("=")).view(kind)
            arrays[name.removeprefix(PREFIX)] = flat[: int(np.prod(shape))].reshape(shape)
    return arrays
