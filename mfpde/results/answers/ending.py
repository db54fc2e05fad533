"""The result of `ending`: the clusters of a run's last law, the nearest stationary law, and what that means."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.answers.optimum import AtomicOptimum, GibbsOptimum
from mfpde.results.answers.stationary import OPTIMUM, StationaryPoint
from mfpde.results.objects import Key, Part, by_name, computed, told
from mfpde.results.words import place_text
from mfpde.solvers.arrays import Array


@dataclass(frozen=True)
class Cluster(Part):
    """Mass around one place.

    Attributes:
        position, spread: mean and standard deviation of each coordinate, shape (D,).
        weight: its mass.
        members: which pieces of the law belong to it, shape (n,); empty where it was read from a file.
    """

    JSON = (by_name("position"), "weight", by_name("spread"))

    position: Array
    spread: Array
    weight: float
    members: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def text(self, names: Sequence[str]) -> str:
        """In a line."""
        spread = ", ".join(f"{value:.2g}" for value in self.spread.tolist())
        return f"mass {self.weight:.6g} at {place_text(names, self.position, 5)}, spread {spread}"


@dataclass(frozen=True)
class NearGibbs(Part):
    """The Gibbs law, seen from a run.

    Attributes:
        risk, free_energy, mean, variance: of the Gibbs law.
        mean_distance, variance_distance: of the run's law minus those of the Gibbs law, shape (D,).
        least_distance: W2 is at least sqrt(|difference of means|^2 + |difference of standard deviations|^2).
        note: that in words.
    """

    JSON = (
        *(computed("atoms", lambda near, names: []), "risk", "free_energy"),
        *(computed("gap_to_optimum", lambda near, names: 0.0), computed("stable", lambda near, names: True)),
        *(computed("eigenvalues", lambda near, names: None), computed("global_optimum", lambda near, names: True)),
        *("note", by_name("mean"), by_name("variance"), by_name("mean_distance"), by_name("variance_distance")),
        told("distance_at_least", "least_distance"),
    )

    risk: float
    free_energy: float
    mean: Array
    variance: Array
    mean_distance: Array
    variance_distance: Array
    least_distance: float
    note: str

    @property
    def atoms(self) -> None:
        """None: it has a density."""

    def text(self, names: tuple[str, ...]) -> str:
        """The same in words."""
        return f"the Gibbs law, {self.note}"


def _nearest(ended: Ending, names: Sequence[str]) -> dict[str, Any] | None:
    """The nearest law with its distance."""
    law = ended.nearest
    return None if law is None else {**law.to_json(names), "distance": ended.distance, "near": ended.near}


def _of_nearest(value: Any) -> Mapping[str, Any]:
    """The fields that the nearest law tells."""
    if value is None:
        return {"nearest": None, "distance": None, "near": False}
    return {"nearest": value, "distance": value["distance"], "near": value["near"]}


@ANSWERS.register("ending")
@dataclass(frozen=True)
class Ending(Whole):
    """Where a run ends.

    Attributes:
        run: what it is called.
        names: reduced coordinates.
        time: t of the law.
        risk, free_energy: R and F; NaN where F is not known.
        dissipation: D per unit of flow time s = ∫xi; NaN where it is not known.
        speed: largest |dz/ds|, the fastest thousandth of the mass left aside; NaN with noise.
        at_rest: whether it has come to rest; None where that is not known.
        clusters: the heaviest first.
        dust: mass in none of them.
        nearest: the stationary law at the least W2 distance, None where none was found; with noise the Gibbs law.
        distance: W2 to it; NaN without one, and with noise.
        near: whether that is so little that the run is on the way there, or lingers there.
        optimum: the law of least free energy on the box.
        gap_to_optimum: F of the run minus F of the optimum; NaN where F is not known.
        statements: what that means, in words.
    """

    JSON = (
        *("run", "time", "risk", "free_energy", "dissipation", "speed", "at_rest", "clusters", "dust"),
        *(Key("nearest", _nearest, _of_nearest), "gap_to_optimum", OPTIMUM, "note"),
    )

    run: str
    names: tuple[str, ...]
    time: float
    risk: float
    free_energy: float
    dissipation: float
    speed: float
    at_rest: bool | None
    clusters: tuple[Cluster, ...]
    dust: float
    nearest: NearGibbs | StationaryPoint | None
    distance: float
    near: bool
    optimum: GibbsOptimum | AtomicOptimum
    gap_to_optimum: float
    statements: tuple[str, ...]

    @property
    def note(self) -> str:
        """The statements in a line."""
        return "; ".join(self.statements)

    def table(self) -> str:
        """The same in words."""
        energy = "" if math.isnan(self.gap_to_optimum) else f", gap to the optimum {self.gap_to_optimum:.6g}"
        lines = [f"{self.run} at t = {self.time:.6g}: risk {self.risk:.10g}{energy}"]
        lines += [f"    {cluster.text(self.names)}" for cluster in self.clusters]
        if self.dust > 1e-12:
            lines.append(f"    dust of mass {self.dust:.2g} elsewhere")
        lines += [f"    {part}" for part in self.statements]
        if self.nearest is not None:
            away = "" if math.isnan(self.distance) else f", at W2 distance {self.distance:.6g}"
            lines.append(f"nearest stationary law{away}: {self.nearest.text(self.names)}")
        return "\n".join([*lines, self.optimum.line()])

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The coordinates and the statements."""
        return {**super().untold(content), "statements": re.split("; (?=[a-z])", content["note"])}
