"""The result of `branches`: stationary laws along a parameter, what happens on the way, where one atom is optimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.objects import Part, atom_list, group, labelled, several, told
from mfpde.results.words import place_text, verdict_text
from mfpde.solvers.arrays import Array


@dataclass(frozen=True)
class BranchLaw(Part):
    """A stationary law at one value of the key.

    Attributes:
        parameter: the value.
        positions, masses: the atoms, shapes (n, D) and (n,).
        risk, free_energy: R, and F = R + ridge ∫|z|^2 drho.
        gap_bound: 2 (∫G drho - min G), which F - F* does not exceed; min G is searched for on the box.
        stable: True, False, or None where rounding hides it.
        splitting, drift: eigenvalues; perturbations grow like exp(-eigenvalue s).
    """

    JSON = (
        *("parameter", atom_list("positions", "masses"), "risk", "free_energy", "gap_bound", "stable"),
        group("eigenvalues", "splitting", "drift"),
    )

    parameter: float
    positions: Array
    masses: Array
    risk: float
    free_energy: float
    gap_bound: float
    stable: bool | None
    splitting: tuple[float, ...]
    drift: tuple[float, ...]


@dataclass(frozen=True)
class BranchEvent(Part):
    """A place on a branch where an eigenvalue vanishes.

    Attributes:
        kind: "fold" (the key turns), "splitting", "drift", "cone", or several joined by "+".
        parameter, error: the value of the key there, and its error.
        place: index along the branch's laws, between two of them.
        positions, masses, risk: of the law there.
        text: in words, going along the branch.
    """

    JSON = ("kind", "parameter", "error", atom_list("positions", "masses"), "risk", "text")

    kind: str
    parameter: float
    error: float
    place: float
    positions: Array
    masses: Array
    risk: float
    text: str

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The place."""
        return {"place": content["place"]}


@dataclass(frozen=True)
class StationaryBranch(Part):
    """Stationary laws on a curve.

    Attributes:
        label: its number.
        laws: in order along the curve.
        begins, ends: what is at its ends.
        events: in order along the curve.
    """

    JSON = ("label", "begins", "ends", told("points", "laws"))

    label: int
    laws: tuple[BranchLaw, ...]
    begins: str
    ends: str
    events: tuple[BranchEvent, ...]

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The events."""
        return {"events": content["events"]}


@dataclass(frozen=True)
class OptimalRange(Part):
    """Values of the key for which one atom is the global optimum on the box.

    Attributes:
        branches: whose laws it is.
        low, high: the range.
        certified: (value, number of atoms, certified) of the optimum a little to both sides of each end, none at an
            end of the key's own range.
    """

    JSON = ("branches", several("range", "low", "high"), labelled("certified", ("parameter", "atoms", "certified")))

    branches: tuple[int, ...]
    low: float
    high: float
    certified: tuple[tuple[float, int, bool], ...]


@ANSWERS.register("branches")
@dataclass(frozen=True)
class Branches(Answer):
    """The branches of stationary laws of a family.

    Attributes:
        key, low, high: the varied key and its range.
        names: reduced coordinates.
        radius: R of the box.
        branches: found from searches at some values of the key.
        optimal: where one atom is optimal.
        words: what the searches left open.
        status: "success" or "interrupted".
    """

    FIGURES = ("branches",)

    JSON = (
        *("key", several("range", "low", "high"), "radius", "branches"),
        "events",
        *(told("one_atom_optimal", "optimal"), told("completeness", "words"), "status"),
    )

    key: str
    low: float
    high: float
    names: tuple[str, ...]
    radius: float
    branches: tuple[StationaryBranch, ...]
    optimal: tuple[OptimalRange, ...]
    words: tuple[str, ...]
    status: str
    message = ""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """From a JSON object, whose events are given to their branches; see `Part`."""
        branches = [
            {
                **branch,
                "events": [
                    {**event, "place": _place(event, branch["points"])}
                    for event in content["events"]
                    if event["branch"] == branch["label"]
                ],
            }
            for branch in content["branches"]
        ]
        return super().from_json({**content, "branches": branches})

    @property
    def events(self) -> list[dict[str, Any]]:
        """What happens on every branch."""
        return [
            {"branch": branch.label, **event.to_json(self.names)} for branch in self.branches for event in branch.events
        ]

    def table(self) -> str:
        """The same in words."""
        lines = []
        for branch in self.branches:
            first, last = branch.laws[0], branch.laws[-1]
            count = len(first.masses)
            lines.append(f"branch {branch.label}: {count} atom{'s' * (count > 1)}")
            for law, word in ((first, branch.begins), (last, branch.ends)):
                lines.append(f"    {self._place(law)}, risk {law.risk:.8g}, {verdict_text(law.stable)}: {word}")
            for event in branch.events:
                lines.append(
                    f"    {event.kind} at {self.key} = {event.parameter:.9g} (to {event.error:.0e}): {event.text}"
                )
        for span in self.optimal:
            lines.append(f"one atom is optimal on the box of radius {self.radius:g} for {self.key} in {_span(span)}")
            for value, atoms, certified in span.certified:
                known = "certified" if certified else "not certified"
                lines.append(f"    at {value:.6g} the optimum has {atoms} atom{'s' * (atoms > 1)}, {known}")
        if not self.optimal and self.status == "success":
            lines.append(f"no one-atom law is optimal on the box of radius {self.radius:g}")
        return "\n".join([*lines, *self.words])

    def _place(self, law: BranchLaw) -> str:
        places = [place_text(self.names, place, 6) for place in law.positions]
        if len(places) == 1:
            return places[0]
        return "; ".join(f"{mass:.4g} at {place}" for mass, place in zip(law.masses.tolist(), places, strict=True))


def _place(event: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> float:
    """The index along the laws of a branch at which an event lies: on the nearest of the lines between neighbours."""
    spots = np.array([_spot(point) for point in (*points, event)])
    spread = np.ptp(spots[:-1], axis=0)
    spots = spots / np.where(spread > 0.0, spread, 1.0)
    start, step = spots[:-2], np.diff(spots[:-1], axis=0)
    squares = np.maximum((step**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip(((spots[-1] - start) * step).sum(axis=1) / squares, 0.0, 1.0)
    apart = np.linalg.norm(start + share[:, None] * step - spots[-1], axis=1)
    nearest = int(np.argmin(apart)) if len(apart) else 0
    return nearest + float(share[nearest]) if len(apart) else 0.0


def _spot(point: Mapping[str, Any]) -> list[float]:
    return [point["parameter"], *(value for atom in point["atoms"] for value in atom["position"].values())]


def _span(span: OptimalRange) -> str:
    return f"[{span.low:.9g}, {span.high:.9g}]"
