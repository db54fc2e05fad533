"""Margins: closed forms, the flow of the kernel regime by an integration of its own, and both regimes in 15 dimensions.

With w and b fixed, outputs at the samples follow f' = K(omega y / (1 + e^(y f))): as many equations as samples. K is
that of the uniform law on the sphere (D1.kernel_flow of the references), or that of finitely many given directions,
which the solver follows by their coefficients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import special
from scipy.integrate import solve_ivp

from mfpde.configuration.sources import experiment_of
from mfpde.results.answers.samples.margin import sphere_kernel
from mfpde.solvers.optimum.sphere.hilbert import kernel_margin
from mfpde.solvers.optimum.sphere.least import variation_margin
from mfpde.solvers.optimum.sphere.pricing import RELU
from validation.expected.quadrature import Array
from validation.margins import Setting, outcome
from validation.rows import CHARACTERISTICS, Row, check, within_estimate, worst
from validation.workbench import Workbench

REFERENCE = Path(__file__).parents[3] / "tests" / "reference_datasets.json"
DIRECTIONS = 64
STEPS = 1e-12
EXACT, QUADRATIC = 1e-9, 1e-8
LOWER_BY = 0.05
"""How much lower the error of the feature regime is said to be on one draw; measured: .18."""


@check("margins", (CHARACTERISTICS,), quick=(CHARACTERISTICS,))
def margins(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Both margins of two samples, and the kernel regime's flow on the samples of margin-plane."""
    points, y = np.array([[1.0, 0.0], [0.0, -2.0]]), np.array([1.0, -1.0])
    wide, narrow = variation_margin(points, y), kernel_margin(sphere_kernel(RELU, points, points), y)
    # gamma_2^2 = 1 / (1.Q^-1 1), Q = ((1/4, -1/(2 pi)), (-1/(2 pi), 1))
    square = (0.25 - 0.25 / np.pi**2) / (1.25 + 1.0 / np.pi)
    yield Row("gamma_1 of two samples at right angles", "margin", 2.0 / 3.0, wide.lower, 0.0, EXACT)
    yield Row("gamma_2 of them", "margin", float(np.sqrt(square)), narrow.lower, 0.0, EXACT)
    known = _entry("D1.kernel_flow")
    x, classes, times = np.array(known["problem"]["x"]), np.array(known["problem"]["y"]), known["values"]["t"]
    inputs = np.column_stack([x, np.ones(len(x))])
    found = _flow(sphere_kernel(RELU, inputs, inputs), classes, times)
    yield worst(
        Row(f"D1.kernel_flow R({time:g})", "margin", expected, risk, known["error"], QUADRATIC)
        for time, expected, risk in zip(times, known["values"]["R"], found, strict=True)
    )
    yield from _given_directions(bench, scheme, inputs, classes)


@check("margins-15", ("sgd",))
def regimes(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Draw 1 of `validation.margins`: how far the difference of the errors is from what is said of it; one-sided."""
    del bench
    both = outcome(Setting(1))
    short = max(0.0, LOWER_BY - (both.kernel - both.feature))
    yield Row(f"kernel error - feature error >= {LOWER_BY}, d = 15", scheme, 0.0, short, 0.0, 0.0)
    yield Row("margin of the network >= gamma_2", scheme, 0.0, max(0.0, both.kernel_margin - both.margin), 0.0, 0.0)


def _given_directions(bench: Workbench, scheme: str, inputs: Array, classes: Array) -> Iterator[Row]:
    """Coefficients alone of fixed directions, by the solver and by the equation of their outputs."""
    units = np.random.default_rng(0).standard_normal((DIRECTIONS, 3))
    table = np.maximum(inputs @ units.T, 0.0)
    times = [0.0, 1.0, 10.0, 100.0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "directions.csv"
        rows = np.column_stack([units[:, :2], np.zeros(DIRECTIONS), units[:, 2]])
        np.savetxt(path, rows, delimiter=",", header="w1,w2,a,b", comments="", fmt="%.17g")
        asked = [f'initial.points="{path}"', f"time.end={times[-1]}", f"time.save={times}", f"solver.scheme={scheme}"]
        result = bench.run(experiment_of("margin-plane", overrides=[*asked, "dynamics.mobility={ w = 0.0, b = 0.0 }"]))
    risks = _flow(table @ table.T / DIRECTIONS, classes, times)
    yield worst(
        within_estimate("outputs alone", scheme, time, risk, 1e-11, result)
        for time, risk in zip(times, risks, strict=True)
    )


def _flow(kernel: Array, y: Array, times: list[float]) -> list[float]:
    """The mean logistic loss along f' = K(y s(-y f)) / P from f = 0."""

    def velocity(_: float, f: Array) -> Array:
        return np.asarray(kernel @ (y * special.expit(-y * f)) / len(y))

    found = solve_ivp(velocity, (0.0, times[-1]), np.zeros(len(y)), "LSODA", times, rtol=STEPS, atol=STEPS)
    return [float(np.logaddexp(0.0, -y * f).mean()) for f in found.y.T]


def _entry(name: str) -> dict[str, Any]:
    entries = json.loads(REFERENCE.read_text("utf-8"))["entries"]
    return next(entry for entry in entries if entry["id"] == name)
