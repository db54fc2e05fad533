"""NetCDF-3 files as this program writes and reads them: named variables, raw checkpoint arrays, a checksum."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfpde.errors import ResultFileError
from mfpde.keys.reader import one_line
from mfpde.shell.checksum import KEY, checksum_of, tell_earlier
from mfpde.shell.files import shown, write_atomically
from mfpde.solvers.arrays import Array

PREFIX = "checkpoint_"
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading raises where a file is not what it says."""
Attribute = str | int | float
Checkpoint = Mapping[str, NDArray[Any]]
Variables = Mapping[str, Any]
"""By name the array of a variable and its attributes."""


class Impossible(ValueError):
    """A file says what no run could have written, in words that follow its name."""


def held_to(good: ArrayLike, problem: str) -> None:
    """Raise `Impossible` with a problem unless all of it is good."""
    if not np.all(good):
        raise Impossible(f"holds {problem}")


class Recorded(Protocol):
    """What a file of trajectories needs of an answer, besides its own numbers."""

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """Provenance, and what there is to say."""

    @property
    def names(self) -> tuple[str, ...]:
        """The reduced coordinates."""


@dataclass(frozen=True)
class Layout:
    """How one kind of answer is written to a file, and read.

    Attributes:
        form: "mfpde WORD VERSION".
        own: the fields that are attributes of the file, of these types.
        put: writes the dimensions and variables of an answer.
        fields: the other fields of an answer, from the variables and the names of the coordinates.
    """

    form: str
    own: Mapping[str, type]
    put: Callable[[Any, Any], None]
    fields: Callable[[Variables, tuple[str, ...]], dict[str, Any]]

    def write(self, answer: Recorded, path: Path, checkpoint: Checkpoint | None = None) -> None:
        """Write an answer, and the arrays to resume from, atomically; raises OutputError."""

        def fill(temporary: Path) -> None:
            with opened(temporary, "w", version=2) as file:
                own = {name: getattr(answer, name) for name in self.own}
                head = {"format": self.form, "coordinates_of_the_law": " ".join(answer.names)}
                put_attributes(file, {**answer.attributes, **head, **own})
                self.put(file, answer)
                put_checkpoint(file, checkpoint or {})

        write_atomically(path, fill)

    def read(self, path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The fields of an answer, and the arrays to resume from; raises ResultFileError for any other file."""
        rest, variables = read(path, self.form)
        try:
            names = tuple(str(rest.pop("coordinates_of_the_law")).split())
            own = {name: kind(rest.pop(name)) for name, kind in self.own.items()}
            other = self.fields(variables, names)
            attributes = {key: value for key, value in rest.items() if key not in ("format", KEY)}
            return {**other, "names": names, **own, "attributes": attributes}, checkpoint_arrays(variables)
        except Impossible as error:
            raise ResultFileError(f"{path}: {error}; run it again with --force") from None
        except DAMAGE as error:
            raise ResultFileError(f"{path}: a damaged result file ({error!r}); run it again with --force") from None


def put_attributes(file: Any, attributes: Mapping[str, Attribute]) -> None:
    """Global attributes; text as UTF-8, and numbers with all their digits, of which scipy keeps those of a float32."""
    for key, value in attributes.items():
        stored = np.float64(value) if isinstance(value, float) else value
        setattr(file, key, value.encode("utf-8") if isinstance(value, str) else stored)


def put(file: Any, name: str, dimensions: tuple[str, ...], values: Array, meaning: str) -> None:
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


def put_checkpoint(file: Any, checkpoint: Checkpoint) -> None:
    """The raw arrays of a run that can go on, and the checksum over everything: call it last."""
    for key, array in checkpoint.items():
        _put_checkpoint(file, PREFIX + key, np.asarray(array))
    setattr(file, KEY, _checksum(file).encode("ascii"))


def opened(file: Any, mode: str, **named: Any) -> Any:
    """A NetCDF-3 file, by what a run that writes none does not import."""
    from scipy.io import netcdf_file

    return netcdf_file(file, mode, **named)


def form_of(path: Path) -> str:
    """The format that a NetCDF file says it has, of which no number is read; empty for any other file."""
    # `read` tells what is wrong with a file that cannot be read
    with suppress(Exception), opened(path, "r", mmap=True) as file:
        return str(file.format.decode("utf-8"))
    return ""


def same_kind(form: str, other: str) -> bool:
    """Whether two formats are versions of one."""
    return form.rpartition(" ")[0] == other.rpartition(" ")[0]


def read(path: Path, form: str) -> tuple[dict[str, Attribute], dict[str, Any]]:
    """The attributes and variables (array, attributes) of a NetCDF file that this program wrote in the format `form`.

    Raises ResultFileError for anything else.
    """
    command = f"mfpde {form.split()[1]}"
    try:
        if not path.is_file():
            kind = "no ordinary file" if path.exists() else "no such file"
            problem = "is a directory" if path.is_dir() else kind
            raise ResultFileError(f"{path}: {problem}; write the path of a file that `{command} -o` made")
        with path.open("rb") as stream, opened(stream, "r", mmap=False) as file:
            attributes = {key: _plain(value) for key, value in file._attributes.items()}
            variables = {
                name: (np.array(variable.data), {k: _plain(v) for k, v in variable._attributes.items()})
                for name, variable in file.variables.items()
            }
            whole, earlier = _checksum(file), _checksum_of_numbers(file)
            # the parser stands behind the header; the numbers follow, and nothing else
            ends = stream.tell() + sum(variable.data.nbytes for variable in file.variables.values())
            surplus = stream.seek(0, os.SEEK_END) - ends
    except ResultFileError:
        raise
    except OSError as error:
        remedy = "write the path of a readable file"
        raise ResultFileError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from None
    except Exception as error:  # the parser of a damaged file may raise anything
        problem = f"not a NetCDF-3 file, or cut off ({one_line(str(error))})"
        raise ResultFileError(f"{path}: {problem}; write a file that `{command} -o` made") from None
    if attributes.get("format") == form and (attributes.get(KEY) not in (whole, earlier) or surplus):
        added = f"; {surplus} bytes follow it" if surplus > 0 else ""
        problem = f"damaged: its content is not what was written{added}"
        raise ResultFileError(f"{path}: {problem}; run it again with --force")
    if attributes.get("format") != form:
        other = str(attributes.get("format", ""))
        problem = "a NetCDF file, but not a result of this program"
        if other.startswith("mfpde "):
            problem = f"a result of `mfpde {one_line(other.split()[1])}`"
        if same_kind(other, form):
            problem = f"made by another version ({attributes.get('version_mfpde')}), which this one cannot read"
        raise ResultFileError(f"{path}: {problem}; write a file that `{command} -o` made")
    if attributes.get(KEY) == earlier:
        tell_earlier(path)
    return attributes, variables


def _checksum(file: Any) -> str:
    """Of all attributes, and of the names, types, dimensions, attributes and numbers of all variables."""
    head = {name: (dict(variable._attributes), variable.dimensions) for name, variable in file.variables.items()}
    told: list[bytes | memoryview] = [_told("", file._attributes)]
    for name in sorted(head):
        attributes, dimensions = head[name]
        array = np.ascontiguousarray(file.variables[name].data)
        told += [_told(f"{name} {array.dtype.str} {dimensions} {array.shape}", attributes), array.reshape(-1).data]
    return checksum_of(told)


def _told(text: str, attributes: Mapping[str, Any]) -> bytes:
    rest = sorted((key, _raw(value)) for key, value in attributes.items() if key != KEY)
    return repr((text, rest)).encode("utf-8", "backslashreplace")


def _raw(value: Any) -> Attribute:
    """An attribute as it comes back from a file."""
    return value if isinstance(value, str) else _plain(value, lambda text: text)


def _checksum_of_numbers(file: Any) -> str:
    """What earlier versions wrote: CRC-32 of the stored numbers alone."""
    checksum = 0
    for name in sorted(file.variables):
        checksum = zlib.crc32(np.ascontiguousarray(file.variables[name].data).data, checksum)
    return f"crc32 {checksum:08x}"


def _plain(value: Any, clean: Callable[[str], str] = shown) -> Attribute:
    if isinstance(value, bytes):
        return clean(value.decode("utf-8"))
    plain: Attribute = value.item() if isinstance(value, np.ndarray | np.generic) else value
    return plain


def native(variables: Mapping[str, Any], name: str) -> Array:
    """A float64 variable in the machine's byte order."""
    return np.array(variables[name][0], dtype=np.float64)


def checkpoint_arrays(variables: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, (stored, described) in variables.items():
        if name.startswith(PREFIX):
            shape = tuple(int(length) for length in str(described["array_shape"]).split()[1:])
            kind = np.dtype(str(described["array_dtype"]))
            flat = stored.astype(stored.dtype.newbyteorder("=")).view(kind)
            arrays[name.removeprefix(PREFIX)] = flat[: int(np.prod(shape))].reshape(shape)
    return arrays
