"""Trained coefficients on the mixture: the ReLU experiment past its plateau, and truncated ReLU with signs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from mfpde.configuration.parsing import parse
from validation.expected.reference import PATH
from validation.rows import CHARACTERISTICS, CHECKS, Check, Row, within_estimate, worst
from validation.workbench import Workbench, at

TEACHERS = PATH.with_name("reference_teachers.json")
INITIAL = {"A1": {"kappa": 0.8, "a": 1.0, "b": 1.0}, "A2": {"kappa": 0.8, "a": {"values": [-1.0, 1.0]}}}
FURTHER = {"A1": ((30.0, 0.43586960161, 3e-9), (100.0, 0.05775529, 1e-8))}
"""R at later times: at 30 from 160 x 160 panels, at 100 from a tenth of the tolerance."""


def rows(case: Mapping[str, Any], bench: Workbench, scheme: str) -> Iterator[Row]:
    """R at every time within 1e-6 or three bars, and the error estimate at its worst time."""
    given, name = case["problem"], case["id"]
    expected = [*((row["t"], *row["R"]) for row in case["rows"]), *FURTHER.get(name, ())]
    times = [time for time, _, _ in expected]
    network = {key: given[key] for key in ("activation", "coefficients", "offsets")}
    tables = {
        "data": {"delta": given["delta"], "dims": given["dims"]},
        "network": network,
        "initial": INITIAL[name],
        "time": {"end": times[-1], "save": times},
        "solver": {"scheme": scheme},
    }
    result = bench.run(parse(tables))
    for time, risk, bar in expected:
        yield Row(f"{name} R({time:g})", scheme, risk, at(result, "risk", time), bar, max(1e-6, 3.0 * bar))
    yield worst(within_estimate(name, scheme, time, risk, bar, result) for time, risk, bar in expected)


for _case in json.loads(TEACHERS.read_text(encoding="utf-8"))["entries"]:
    if _case["id"] in INITIAL:
        CHECKS.append(Check(f"trained {_case['id']}", (CHARACTERISTICS,), partial(rows, _case)))
