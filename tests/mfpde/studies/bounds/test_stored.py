"""Sweeps: the share of the work that is done, by the seconds that runs took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mfpde.studies.bounds.runs import Curve
from mfpde.studies.bounds.stored import StoredRuns


class Sweep(StoredRuns[Any, Curve]):
    function, answer = Curve.at, Curve.at  # type: ignore[assignment]


def run(kind: str, cost: float, replica: int) -> Any:
    return SimpleNamespace(kind=kind, cost=cost, replica=replica)


def test_shares_of_the_work_are_those_of_seconds_whatever_costs_were_guessed() -> None:
    """Runs of 1, 2 and 30 s, four of each, whose costs say 100, 3 and 1: the share is that of their seconds once one of
    each sort is finished; by costs it would be 99 % before the last three, which take two thirds of the time.
    """
    said: list[float] = []
    seconds = {"sgd": 1.0, "flow": 2.0, "law": 30.0}
    specs = [run(kind, cost, k) for kind, cost in (("law", 1.0), ("sgd", 100.0), ("flow", 3.0)) for k in range(4)]
    kept: Any = SimpleNamespace(folder=None, read=lambda spec: False, put=lambda spec, curve: None)
    sweep = Sweep(specs, kept, "", lambda text, share: said.append(share), 1, None)
    order = sweep.tasks()
    assert sorted(order, key=specs.index) == specs
    assert [spec.kind for spec in order] == ["sgd", "flow", "law"] + ["sgd"] * 3 + ["flow"] * 3 + ["law"] * 3
    for spec in order:
        sweep.keep(spec, Curve(np.ones(1), np.ones(1), 0.0, seconds[spec.kind]))
    done = np.cumsum([seconds[spec.kind] for spec in order]) / (4.0 * sum(seconds.values()))
    assert said[2:] == pytest.approx(done[2:], abs=1e-12)
