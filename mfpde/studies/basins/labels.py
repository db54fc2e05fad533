"""Which runs end at the same law, what it is called, and between which values it changes.

Endings are one law where their nearest laws have as many atoms, as many of them at the origin and the same class; laws
that are isolated (one atom, or birth and death) must also be near each other, the more loosely where the keys change
the problem and so move its laws, while the members of a family with the masses as parameters count as one. Runs near no
law are told apart by the number of their clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mfpde.results.answers.basins import BasinLaw, BasinPoint, Boundary
from mfpde.results.words import verdict_text
from mfpde.solvers.arrays import Array

SAME, MOVED = 1e-3, 0.4
"""Largest change of a coordinate, over the size of the law, and of a mass, by which isolated laws count as one: in one
problem, and from one problem to another of the sweep."""
COUNTS = ("no", "one", "two", "three", "four", "five", "six")


def labelled(
    points: Sequence[BasinPoint], masses_move: bool, one_problem: bool
) -> tuple[tuple[BasinPoint, ...], tuple[BasinLaw, ...]]:
    """The points with labels in the order of their appearance, and what the labels mean.

    Args:
        masses_move: whether births and deaths change the masses, so that no law belongs to a family.
        one_problem: whether all points have the same stationary laws.
    """
    change = SAME if one_problem else MOVED
    groups: list[list[BasinPoint]] = []
    told = []
    for point in points:
        if point.message:
            told.append(replace(point, label=None))
            continue
        label = next((i for i, group in enumerate(groups) if _same(point, group, masses_move, change)), len(groups))
        if label == len(groups):
            groups.append([])
        told.append(replace(point, label=label))
        groups[label].append(told[-1])
    return tuple(told), tuple(_described(label, group) for label, group in enumerate(groups))


def _same(point: BasinPoint, group: Sequence[BasinPoint], masses_move: bool, change: float) -> bool:
    first = group[0]
    if _kind(point) != _kind(first):
        return False
    if not point.ending["near"] or (len(point.ending["nearest"]["atoms"]) > 1 and not masses_move):
        return True
    own = _atoms(point)
    return any(_close(own, _atoms(other), change) for other in group)


def _close(first: Array, second: Array, change: float) -> bool:
    moved, size = np.abs(first[:, 1:] - second[:, 1:]), np.abs(np.concatenate([first, second])[:, 1:]).max()
    return bool(moved.max() <= change * size and np.abs(first[:, 0] - second[:, 0]).max() <= change)


def _kind(point: BasinPoint) -> tuple[Any, ...]:
    """What two endings at one law have in common."""
    end = point.ending
    if not end["near"]:
        return "moving", len(end["clusters"])
    return "law", len(end["nearest"]["atoms"]), _at_origin(end["nearest"]), end["nearest"]["stable"]


def _at_origin(law: Mapping[str, Any]) -> int:
    return sum(all(value == 0.0 for value in atom["position"].values()) for atom in law["atoms"])


def _atoms(point: BasinPoint) -> Array:
    """Weight and coordinates of the atoms, shape (n, 1 + D)."""
    atoms = point.ending["nearest"]["atoms"]
    return np.array([[atom["weight"], *atom["position"].values()] for atom in atoms])


def _described(label: int, group: Sequence[BasinPoint]) -> BasinLaw:
    first = group[0].ending
    near = bool(first["near"])
    risks = [float(point.ending["risk"]) for point in group]
    return BasinLaw(
        label=label,
        name=_law_name([point.ending for point in group]),
        stable=first["nearest"]["stable"] if near else None,
        eigenvalues=first["nearest"]["eigenvalues"] if near else None,
        risk=(min(risks), max(risks)),
        count=len(group),
    )


def _law_name(group: Sequence[Mapping[str, Any]]) -> str:
    """What runs end at, in a few words."""
    end = group[0]
    if not end["near"]:
        count = len(end["clusters"])
        return f"near no stationary law, {count} cluster{'' if count == 1 else 's'}"
    law = end["nearest"]
    count, origin = len(law["atoms"]), _at_origin(law)
    held = " held by a cone" if "is held by a cone" in law["note"] else ""
    kind = verdict_text(law["stable"])
    if count == 1:
        places = [other["nearest"]["atoms"][0]["position"] for other in group]
        where = ", ".join(f"{name} = {_range([place[name] for place in places])}" for name in places[0])
        return f"atom at {where}{held}, {kind}"
    at_origin = f", {COUNTS[origin] if origin < len(COUNTS) else origin} at 0{held}" if origin else ""
    return f"{count} atoms{at_origin}, {kind}"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.6g}", f"{max(values):.6g}"
    return low if low == high else f"{min(values):.4g} to {max(values):.4g}"


def boundaries(
    points: Sequence[BasinPoint], keys: Sequence[str], values: Sequence[Sequence[float]]
) -> tuple[Boundary, ...]:
    """The neighbouring values of every key between which the label changes."""
    labels = {point.values: point.label for point in points}
    changes = []
    for axis, key in enumerate(keys):
        others: Sequence[float | None] = values[1 - axis] if len(keys) == 2 else [None]
        for other in others:
            for low, high in zip(values[axis][:-1], values[axis][1:], strict=True):
                pair = [labels.get(_at(axis, value, other)) for value in (low, high)]
                before, after = pair
                if before is not None and after is not None and before != after:
                    changes.append(Boundary(key, low, high, (before, after), other))
    return tuple(changes)


def _at(axis: int, value: float, other: float | None) -> tuple[float, ...]:
    if other is None:
        return (value,)
    return (value, other) if axis == 0 else (other, value)
