"""The result of `branches`: stationary laws along a parameter, what happens on the way, where one atom is optimal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mfpde.results.answer import ANSWERS, Answer
from mfpde.solvers.arrays import Array


@dataclass(frozen=True)
class BranchLaw:
    """A stationary law at one value of the key.

    Attributes:
        parameter: the value.
        positions, masses: the atoms, shapes (n, D) and (n,).
        risk, free_energy: R, and F = R + ridge ∫|z|^2 drho.
        gap_bound: 2 (∫G drho - min G), which F - F* does not exceed; min G is searched for on the box.
        stable: True, False, or None where rounding hides it.
        splitting, drift: eigenvalues; perturbations grow like exp(-eigenvalue s).
    """

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
class BranchEvent:
    """A place on a branch where an eigenvalue vanishes.

    Attributes:
        kind: "fold" (the key turns), "splitting", "drift", "cone", or several joined by "+".
        parameter, error: the value of the key there, and its error.
        place: index along the branch's laws, between two of them.
        positions, masses, risk: of the law there.
        text: in words, going along the branch.
    """

    kind: str
    parameter: float
    error: float
    place: float
    positions: Array
    masses: Array
    risk: float
    text: str


@dataclass(frozen=True)
class StationaryBranch:
    """Stationary laws on a curve.

    Attributes:
        label: its number.
        laws: in order along the curve.
        begins, ends: what is at its ends.
        events: in order along the curve.
    """

    label: int
    laws: tuple[BranchLaw, ...]
    begins: str
    ends: str
    events: tuple[BranchEvent, ...]


@dataclass(frozen=True)
class OptimalRange:
    """Values of the key for which one atom is the global optimum on the box.

    Attributes:
        branches: whose laws it is.
        low, high: the range.
        certified: (value, number of atoms, certified) of the optimum a little to both sides of each end, none at an
            end of the key's own range.
    """

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

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `mfpde branches`."""
        return {
            "key": self.key,
            "range": [self.low, self.high],
            "radius": self.radius,
            "branches": [self._branch_json(branch) for branch in self.branches],
            "events": [
                {
                    "branch": branch.label,
                    "kind": event.kind,
                    "parameter": event.parameter,
                    "error": event.error,
                    "atoms": self._atoms(event.positions, event.masses),
                    "risk": event.risk,
                    "text": event.text,
                }
                for branch in self.branches
                for event in branch.events
            ],
            "one_atom_optimal": [
                {
                    "branches": list(span.branches),
                    "range": [span.low, span.high],
                    "certified": [
                        {"parameter": value, "atoms": atoms, "certified": certified}
                        for value, atoms, certified in span.certified
                    ],
                }
                for span in self.optimal
            ],
            "completeness": list(self.words),
            "status": self.status,
        }

    def _branch_json(self, branch: StationaryBranch) -> dict[str, Any]:
        return {
            "label": branch.label,
            "begins": branch.begins,
            "ends": branch.ends,
            "points": [
                {
                    "parameter": law.parameter,
                    "atoms": self._atoms(law.positions, law.masses),
                    "risk": law.risk,
                    "free_energy": law.free_energy,
                    "gap_bound": law.gap_bound,
                    "stable": law.stable,
                    "eigenvalues": {"splitting": list(law.splitting), "drift": list(law.drift)},
                }
                for law in branch.laws
            ],
        }

    def _atoms(self, positions: Array, masses: Array) -> list[dict[str, Any]]:
        return [
            {"position": dict(zip(self.names, place, strict=True)), "weight": mass}
            for place, mass in zip(positions.tolist(), masses.tolist(), strict=True)
        ]

    def table(self) -> str:
        """The same in words."""
        lines = []
        for branch in self.branches:
            first, last = branch.laws[0], branch.laws[-1]
            count = len(first.masses)
            lines.append(f"branch {branch.label}: {count} atom{'s' * (count > 1)}")
            for law, word in ((first, branch.begins), (last, branch.ends)):
                lines.append(f"    {self._place(law)}, risk {law.risk:.8g}, {_verdict(law.stable)}: {word}")
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
        places = [
            ", ".join(f"{name} = {z:.6g}" for name, z in zip(self.names, place, strict=True))
            for place in law.positions.tolist()
        ]
        if len(places) == 1:
            return places[0]
        return "; ".join(f"{mass:.4g} at {place}" for mass, place in zip(law.masses.tolist(), places, strict=True))


def _span(span: OptimalRange) -> str:
    return f"[{span.low:.9g}, {span.high:.9g}]"


def _verdict(stable: bool | None) -> str:
    return {True: "stable", False: "unstable", None: "undecided"}[stable]
