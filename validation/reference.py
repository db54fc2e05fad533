"""The reference values: kernels, and trajectories with their error bars, computed independently to high accuracy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from validation.workbench import gaussian_mixture

PATH = Path(__file__).resolve().parent.parent / "tests" / "reference.json"


@dataclass(frozen=True)
class Trajectory:
    """A noise-free trajectory.

    Attributes:
        name: the case.
        tables: its configuration's [data], [network] and [initial].
        rows: per save time "t" and, by quantity, (value, error bar).
    """

    name: str
    tables: Mapping[str, Mapping[str, Any]]
    rows: tuple[Mapping[str, Any], ...]

    @property
    def times(self) -> tuple[float, ...]:
        """The save times."""
        return tuple(row["t"] for row in self.rows)


@cache
def reference() -> dict[str, Any]:
    """The whole file; raises FileNotFoundError outside a checkout."""
    values: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return values


def activation(letter: str) -> dict[str, list[float]]:
    """The activation that the file calls T, M or N, as a table."""
    table: dict[str, list[float]] = reference()["conventions"]["activations"][letter]
    return table


def trajectories() -> tuple[Trajectory, ...]:
    """Every noise-free trajectory."""
    return tuple(_trajectory(case) for case in reference()["noise_free"])


def _trajectory(case: Mapping[str, Any]) -> Trajectory:
    given = case["params"]
    isotropic = "isotropic" in case["case"].replace("anisotropic", "")
    dims, fractions = None, (1.0,) if isotropic else (0.1875, 0.8125)
    if given["d"] != "inf":
        dims = blocks(given["d"], given["s0"])
    tables = gaussian_mixture(activation(given["act"]), given["Delta"], dims, given["kappa"], fractions)
    return Trajectory(case["case"], tables, tuple(case["rows"]))


def blocks(dimension: int, informative: int) -> list[int]:
    """Block dimensions (s0, d - s0), or (d) where every coordinate is informative."""
    return [dimension] if informative == dimension else [informative, dimension - informative]
