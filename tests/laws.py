"""Three small problems on every data law, for what all laws must hold: a new law is an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mfpde.configuration.parsing import parse
from mfpde.problem.laws.interface import LAWS
from mfpde.problem.problem import Problem, build_problem

Tables = Mapping[str, Any]
"""Of one problem: [data] without its law, [network], [initial], [dynamics]."""
HE_2 = {"hermite": [0.0, 0.0, 1.0]}
SAMPLES = {"points": [[1.0, 0.5], [-0.4, 1.0], [0.3, -1.2], [2.0, 0.1]], "values": [1.0, -0.5, 0.2, 0.7]}
SIGNS = {"values": [-1.0, 1.0]}
PROBLEMS: dict[str, tuple[Tables, Tables, Tables]] = {
    "gaussian-mixture": (
        {
            "data": {"dims": [3], "delta": 0.5},
            "network": {"activation": "truncated-relu", "offsets": "fixed"},
            "initial": {"kappa": 2.0, "b": 0.4},
        },
        {"data": {"dims": [30, 90]}, "network": {}},
        {"data": {"dims": [20]}, "network": {"activation": "relu", "coefficients": "trained"}, "initial": {"a": SIGNS}},
    ),
    "gaussian-bumps": (
        {"data": {}, "network": {}, "initial": {"position": {"uniform": [-1.0, 1.0]}}},
        {
            "data": {"centres": [-1.0, 2.0], "width": 0.4, "weights": [0.3, 0.7]},
            "network": {},
            "dynamics": {"ridge": 0.02},
        },
        {"data": {"loss": "log-cosh"}, "network": {}, "initial": {"position": {"uniform": [-2.0, 1.0]}}},
    ),
    "dataset": (
        {"data": SAMPLES, "network": {"activation": "tanh"}},
        {
            "data": {**SAMPLES, "weights": [1.0, 2.0, 1.0, 1.0]},
            "network": {"activation": "relu"},
            "initial": {"w1": 0.4},
        },
        {"data": {**SAMPLES, "values": [1.0, -1.0, 1.0, -1.0], "loss": "logistic"}, "network": {"activation": "erf"}},
    ),
    "single-index": (
        {
            "data": {"dim": 3, "noise": 0.2, "target": "relu"},
            "network": {"activation": "relu"},
            "initial": {"kappa": 2.0},
        },
        {"data": {"dim": 10, "target": HE_2}, "network": {"activation": "relu"}},
        {
            "data": {"dim": 30, "target": "sign", "inputs": "sphere"},
            "network": {"activation": "tanh"},
            "dynamics": {"ridge": 0.05},
        },
    ),
    "multi-index": (
        {
            "data": {"dim": 4, "noise": 0.2, "weights": [0.7, -0.4], "target": "relu"},
            "network": {"activation": "relu"},
            "initial": {"kappa": 2.0},
        },
        {"data": {"dim": 2, "weights": [0.7, -0.4]}, "network": {"activation": "erf"}},
        {"data": {"dim": 8, "weights": [1.0], "target": "relu"}, "network": {"activation": "relu"}},
    ),
    "teacher-network": (
        {"data": {"angles": [0.3, 2.0], "weights": [1.0, -0.5]}, "network": {"activation": "relu"}},
        {"data": {}, "network": {"activation": "tanh"}, "initial": {"kappa": 1.5}},
        {"data": {"angles": [1.0], "weights": [0.7]}, "network": {"activation": "erf"}, "dynamics": {"ridge": 0.05}},
    ),
    "three-spin": (
        {"data": {"dim": 3}, "network": {}},
        {"data": {"dim": 5, "tensor": {"key": 1}}, "network": {"activation": "erf"}},
        {"data": {"dim": 3}, "network": {"offsets": "fixed"}, "dynamics": {"ridge": 0.05}},
    ),
    "spikes": (
        {"data": {"features": {"low-pass": 5}}, "network": {}, "initial": {"equispaced": 7}},
        {"data": {"features": {"gaussian": [0.3, 6]}}, "network": {}, "dynamics": {"penalty": {"path": 0.02}}},
        {"data": {}, "network": {}, "initial": {"angle": {"uniform": [1.0, 3.0]}}, "dynamics": {"growth": 3.0}},
    ),
}


def tables_of(law: str, place: int, heads: bool = False, **others: Any) -> dict[str, Any]:
    """The tables of a problem, with trained a and b where asked for and the law takes them, and other tables beside."""
    given = PROBLEMS[law][place]
    network = dict(given["network"])
    if heads and LAWS[law].network_keys:
        network |= {"coefficients": "trained", "offsets": "trained"}
    return {**given, "data": {"law": law, **given["data"]}, "network": network, **others}


def problem_of(law: str, place: int, heads: bool = False) -> Problem:
    return build_problem(parse(tables_of(law, place, heads)))
