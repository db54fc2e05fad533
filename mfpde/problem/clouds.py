"""Clouds of points as inputs: a sample is a finite set of points, and enters through means of functions over them.

    M_l(p) = (1/k) sum_j psi_l(x_pj),     psi_l random features from a seed: what the order or a repetition of all
                                          points changes in a cloud does not change its inputs

The network sees M as any other input: where its neurons are trained it is a sum over units of a fixed space of
functions of clouds, where its outputs alone are, a kernel of clouds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.keys.kinds import Kind
from mfpde.keys.reader import POSITIVE, TableReader
from mfpde.keys.samples import Samples
from mfpde.solvers.arrays import Array

STREAM = 2**32 - 3
"""Of the random numbers of features, which no replica and no draw has."""
KINDS = ("relu", "cosine")
KEYS = ("kind", "count", "seed", "width")
MOST = 10_000


@dataclass(frozen=True)
class Clouds:
    """psi_l, l = 1, ..., count.

    Attributes:
        kind: "relu", (<w, x> + b)_+ with (w, b) uniform on the sphere; "cosine", sqrt(2) cos(<w, x> + b) with normal w
            and uniform b, whose kernel is exp(-|x - x'|^2 / 2).
        count: L.
        seed: of w and b.
        width: x is divided by it.
    """

    kind: str = "relu"
    count: int = 20
    seed: int = 0
    width: float = 1.0

    def features(self, x: Array) -> Array:
        """psi of points (n, k), shape (n, L)."""
        random = np.random.Generator(np.random.Philox(key=(self.seed, STREAM)))
        w, b = random.standard_normal((self.count, x.shape[1])), random.standard_normal(self.count)
        if self.kind == "cosine":
            phase = 2.0 * np.pi * random.random(self.count)
            return np.asarray(np.sqrt(2.0) * np.cos(x @ w.T / self.width + phase))
        size = np.sqrt(np.sum(w**2, axis=1) + b**2)
        return np.asarray(np.maximum((x @ w.T / self.width + b) / size, 0.0))

    def inputs(self, samples: Samples) -> Array:
        """M of every cloud, shape (P, L)."""
        assert samples.cloud is not None, "refused where the file names no clouds"
        counts = np.bincount(samples.cloud)
        sums = np.zeros((len(counts), self.count))
        np.add.at(sums, samples.cloud, self.features(samples.x))
        return np.asarray(sums / counts[:, None])


@dataclass(frozen=True)
class CloudsKey(Kind):
    """A table { kind, count, seed, width }, each of which may be left out."""

    @property
    def accepted(self) -> str:
        return f'a table {{ kind = "{KINDS[0]}" or "{KINDS[1]}", count = 20, seed = 0, width = 1.0 }}'

    def read(self, reader: TableReader, name: str, default: None) -> Clouds | None:
        if not reader.has(name):
            return default
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            reader.complain(name, "is no table", f"for example {name} = {{ count = 20 }}")
            return default
        table, usual = TableReader(reader.dotted(name), value, KEYS, reader.errors), Clouds()
        return Clouds(
            table.choice("kind", usual.kind, KINDS),
            table.integer("count", usual.count, 1, MOST),
            table.integer("seed", usual.seed, 0, 2**31 - 1),
            table.number("width", usual.width, POSITIVE),
        )

    def plain(self, value: Any) -> object:
        return {name: getattr(value, name) for name in KEYS} if isinstance(value, Clouds) else value
