"""A finite set of samples (x, y) in a CSV or NPZ file; every mistake in it is told at once."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.keys.reader import SIZE, one_line
from mfpde.keys.tables import WEIGHT, TableKey, read_number_table
from mfpde.shell.memory import available

CLOUDS = ("cloud", "sample")
"""Names of the column that says to which sample a point belongs."""
ARRAYS = ("x", "y", WEIGHT, *CLOUDS)
COPIES = 4.0
"""Copies of a set that reading and using it hold."""
READ_BLOCK = 2**22


@dataclass(frozen=True)
class Samples:
    """The content of a file; what counts is its content, not where it lies.

    Attributes:
        path: absolute.
        digest: SHA-256 of the file, in hexadecimal.
        x: inputs, shape (P, d); of clouds their points, shape (n, d).
        y: targets, shape (P,); zeros where the file has none and need not.
        weights: of the samples, shape (P,), as the file gives them; equal ones where it gives none.
        labelled: whether there are targets.
        cloud: the sample that each point belongs to, shape (n,), from 0 in the order of their first points; None where
            each row of x is a sample.
    """

    path: str = field(compare=False)
    digest: str
    x: NDArray[np.float64] = field(compare=False, repr=False)
    y: NDArray[np.float64] = field(compare=False, repr=False)
    weights: NDArray[np.float64] = field(compare=False, repr=False)
    labelled: bool = True
    cloud: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)


def read_samples(path: Path, errors: list[str], *, labelled: bool = True) -> Samples | None:
    """The samples in a file; `errors` receives what is wrong, and there are none where anything is.

    Args:
        labelled: whether targets must be there.
    """
    known = len(errors)
    found = (_of_arrays if path.suffix.lower() == ".npz" else _of_table)(path, errors, labelled)
    if found is None or len(errors) > known:
        return None
    if found.cloud is None:
        mistakes = sample_mistakes(found.x, found.y, found.weights)
    else:
        every, first = np.ones(len(found.x)), np.unique(found.cloud, return_index=True)[1]
        mistakes = sample_mistakes(found.x, every, every) or sample_mistakes(found.x[first], found.y, found.weights)
    errors += [f"{one_line(str(path))}: {problem}" for problem in mistakes]
    return found if len(errors) == known else None


def sample_mistakes(x: NDArray[Any], y: NDArray[Any], weights: NDArray[Any]) -> list[str]:
    """What is wrong with samples of whatever shapes, one message each."""
    if x.ndim != 2 or x.shape[1] < 1 or y.ndim != 1 or weights.ndim != 1:
        shapes = f"x of shape {x.shape}, y of shape {y.shape}"
        return [f"{shapes}; write x of shape (P, d), y and {WEIGHT} of shape (P,)"]
    lengths = {"y": len(y), WEIGHT: len(weights)}
    found = [
        f"{len(x)} rows of x and {count} of {name}; write as many of each"
        for name, count in lengths.items()
        if count != len(x)
    ]
    for name, array in (("x", x), ("y", y), (WEIGHT, weights)):
        outside = int(np.sum(~(np.abs(array) <= SIZE.high)))
        if outside:
            found.append(f"{outside} missing values or numbers beyond {SIZE.high:g} in {name}; write numbers {SIZE}")
    if not np.all(weights > 0.0):
        found.append(f"{WEIGHT}: {int(np.sum(~(weights > 0.0)))} are not above 0; leave those rows out")
    return found


def _of_table(path: Path, errors: list[str], labelled: bool) -> Samples | None:
    table = read_number_table(path, errors)
    if table is None:
        return None
    inputs = [name for name in table.columns if name not in ("y", WEIGHT, *CLOUDS)]
    wanted = [f"x{place}" for place in range(1, len(inputs) + 1)]
    has_targets = "y" in table.columns
    if sorted(inputs) != sorted(wanted) or not inputs or (labelled and not has_targets):
        header = ", ".join(one_line(name) for name in table.columns[:6])
        targets = "y" if labelled else "optionally y"
        problem = f"the header is {header}{', ...' if len(table.columns) > 6 else ''}"
        errors.append(f"{one_line(str(path))}: {problem}; write x1, ..., xd, {targets} and optionally {WEIGHT}")
        return None
    count = len(table.rows)
    x = np.column_stack([table.column(name) for name in wanted])
    y = table.column("y") if has_targets else np.zeros(count)
    weights = table.column(WEIGHT) if WEIGHT in table.columns else np.ones(count)
    names = [table.column(name) for name in CLOUDS if name in table.columns]
    found = Samples(table.path, table.digest, x, y, weights, has_targets)
    return _gathered(found, names[0], errors) if names else found


def _of_arrays(path: Path, errors: list[str], labelled: bool) -> Samples | None:
    """The arrays of an NPZ file, their sizes known before they are read, and no pickles."""
    where = one_line(str(path))
    try:
        shapes = _shapes(path)
        need = COPIES * 8.0 * sum(float(np.prod(shape, dtype=float)) for shape in shapes.values())
        if not (need <= available()):
            words = f"needs {need / 2**30:.3g} GiB of memory, and there are {available() / 2**30:.3g} GiB"
            errors.append(f"{where}: {words}; write fewer rows")
            return None
        missing = [name for name in ("x", "y")[: 1 + labelled] if name not in shapes]
        unknown = [one_line(name) for name in shapes if name not in ARRAYS]
        if missing or unknown:
            told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(unknown)
            errors.append(f"{where}: {' and '.join(told)}; write the arrays x, y, optionally {WEIGHT}, {CLOUDS[0]}")
            return None
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in shapes}
        digest = _digest(path)
    except OSError as error:
        errors.append(f"{where}: cannot be read ({error.strerror or error}); write the path of a readable NPZ file")
        return None
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        errors.append(f"{where}: is no NPZ file of numbers ({error}); write it by numpy.savez(path, x=x, y=y)")
        return None
    x = arrays["x"]
    y, weights = arrays.get("y", np.zeros(len(x))), arrays.get(WEIGHT, np.ones(len(x)))
    names = [arrays[name] for name in CLOUDS if name in arrays]
    if names and not (x.ndim == 2 and names[0].shape == x.shape[:1]):
        errors.append(f"{where}: {CLOUDS[0]} of shape {names[0].shape}; write a number for each row of x")
        return None
    if names and "weight" not in arrays:
        weights = np.ones(len(y))
    found = Samples(str(path), digest, x, y, weights, "y" in arrays)
    return _gathered(found, names[0], errors) if names else found


def _gathered(rows: Samples, names: NDArray[Any], errors: list[str]) -> Samples | None:
    """Rows as the points of clouds, which have one target and one weight each."""
    found, first, places = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    cloud, parts = number[places.reshape(-1)], {"y": rows.y, WEIGHT: rows.weights}
    told = {}
    for name, values in parts.items():
        per_point = values.shape == cloud.shape
        told[name] = values[first[order]] if per_point else values
        if per_point and not np.array_equal(told[name][cloud], values):
            where = found[order][cloud[np.flatnonzero(told[name][cloud] != values)[0]]]
            errors.append(f"{one_line(rows.path)}: {name} differs within cloud {where:g}; write one for all its points")
    return replace(rows, y=told["y"], weights=told[WEIGHT], cloud=cloud)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes that the headers of an archive tell; raises ValueError for what is pickled."""
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, kind = read(stream)
            if kind.kind not in "fiub":
                raise ValueError(f"{name.removesuffix('.npy')} holds {'pickled objects' if kind.hasobject else kind}")
            shapes[name.removesuffix(".npy")] = shape
    return shapes


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_BLOCK):
            found.update(block)
    return found.hexdigest()


@dataclass(frozen=True)
class SamplesKey(TableKey):
    """The path of a CSV or NPZ file of samples; its digest stands beside it in what is written again."""

    FORM = "a CSV or NPZ file"
    EXAMPLE = "data.csv"

    def load(self, path: Path, errors: list[str]) -> Samples | None:
        return read_samples(path, errors)
