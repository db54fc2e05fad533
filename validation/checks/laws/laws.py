"""Every data law: schemes agree within their estimates on three problems, and SGD has the scaling of N and eps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.schemes.choice import serving
from mfpde.studies.compare.compare import compare
from tests.laws import PROBLEMS, tables_of
from validation.rows import CHARACTERISTICS, CHECKS, ESTIMATE_FACTOR, Check, Row, worst
from validation.workbench import Workbench, at

TIMES = (0.0, 0.25, 0.5)
OPTIONS: dict[str, dict[str, Any]] = {
    CHARACTERISTICS: {"tolerance": 1e-5},
    "finite-volume": {"cells": 32, "tolerance": 1e-4},
    "jko": {"step": 0.05, "tolerance": 1e-3},
    "particles": {"atoms": 400, "tolerance": 1e-4},
}
"""[solver] of each scheme, coarse: it is the estimates that are held to."""
MOST = {"jko": 2}
"""Coordinates beyond which a scheme takes minutes."""
NEURONS, STEP_SIZE, REPLICAS = (50, 200), 5e-4, 16
STEPS = (2e-3, 8e-3)
"""eps of gradient descent, whose distance from the flow of the same neurons is proportional to it."""
SIGMAS = 4.0


def schemes(law: str, bench: Workbench, scheme: str) -> Iterator[Row]:
    """R at three times on three problems, within three times the two estimates together."""
    for place in range(3):
        problem = build_problem(_asked(law, place, CHARACTERISTICS))
        if problem.geometry.dimension > MOST.get(scheme, 3):
            continue
        asked = _asked(law, place, scheme)
        if scheme not in serving(problem, asked):
            continue
        run, exact = bench.run(asked), bench.run(_asked(law, place, CHARACTERISTICS))
        yield worst(
            Row(
                f"{law} {place + 1} R({time:g})",
                scheme,
                at(exact, "risk", time),
                at(run, "risk", time),
                at(exact, "risk_error", time),
                ESTIMATE_FACTOR * (at(exact, "risk_error", time) + at(run, "risk_error", time)),
            )
            for time in TIMES
        )


def descent(law: str, bench: Workbench, scheme: str) -> Iterator[Row]:
    """E R_N - R and E|f_N - f|^2 = O(1/N), to 4 standard errors, and the gap of gradient descent to the flow O(eps).

    The risks scatter by N^-1/2, far above their mean; the distances of the outputs, which are squares, do not.
    """
    exact = at(bench.run(_asked(law, 0, CHARACTERISTICS)), "risk", TIMES[-1])
    runs = [compare(_with_sgd(law, neurons, STEP_SIZE, REPLICAS), coupled=False) for neurons in NEURONS]
    biases = [neurons * (run.sgd.risk[:, -1] - exact) for neurons, run in zip(NEURONS, runs, strict=True)]
    for quantity, found in (("N (R_N - R)", biases), ("N E|f_N - f|^2", [run.fluctuation[:, -1] for run in runs])):
        few, many = (float(each.mean()) for each in found)
        errors = [float(each.std(ddof=1)) / np.sqrt(REPLICAS) for each in found]
        if np.isfinite(few):
            words = f"{law} {quantity}, N = {NEURONS[1]} against {NEURONS[0]}"
            yield Row(words, scheme, few, many, errors[0], SIGMAS * float(np.hypot(*errors)))
    gaps = []
    for step in STEPS:
        coupled = compare(_with_sgd(law, 20, step, 1), workers=1).coupled
        if coupled is None:
            return
        gaps.append(float(coupled["gaps"]["pd_gd"]))
    ratio = STEPS[1] / STEPS[0]
    yield Row(f"{law} gap of gradient descent, eps times {ratio:g}", scheme, ratio, gaps[1] / gaps[0], 0.0, 0.1 * ratio)


def _asked(law: str, place: int, scheme: str) -> Experiment:
    solver = {"scheme": scheme, **OPTIONS[scheme]}
    return parse(tables_of(law, place, time={"end": TIMES[-1], "save": list(TIMES)}, solver=solver))


def _with_sgd(law: str, neurons: int, step: float, replicas: int) -> Experiment:
    solver = {"scheme": CHARACTERISTICS, **OPTIONS[CHARACTERISTICS]}
    options = {"neurons": neurons, "step_size": step, "replicas": replicas}
    return parse(tables_of(law, 0, time={"end": TIMES[-1], "save": 3}, solver=solver, sgd=options))


for _law in PROBLEMS:
    CHECKS.append(Check(f"law {_law}", tuple(OPTIONS)[1:], partial(schemes, _law)))
    _data = build_problem(parse(tables_of(_law, 0))).data
    if _data.sampler() is not None and not _data.neurons_only:
        CHECKS.append(Check(f"law {_law} sgd", ("sgd",), partial(descent, _law)))
