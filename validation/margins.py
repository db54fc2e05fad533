"""Test errors of the feature and the kernel regime in many dimensions, and both flows in the plane as figures.

    python -m validation.margins [FOLDER]

The experiments of L. Chizat, F. Bach, COLT 2020 (arXiv:2002.04486). Inputs lie in one of nine discs of the plane of x_1
and x_2, on a square lattice, their other coordinates are uniform in [-1/2, 1/2], and each disc has a class by a fair
coin: classes hang on two coordinates of d. The feature regime is gradient descent on all parameters of N neurons, by
`mfpde.sgd` with every sample in every step. The kernel regime is what training of infinitely many outputs comes to, the
function of the largest margin gamma_2, by quadratic programming.

Every draw has its discs' classes, its samples and its network of its own seed, the same in all sweeps. Errors are those
on 10^4 fresh inputs. With a FOLDER the sweeps and the two flows are drawn.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.results.answers.samples.margin import sphere_kernel
from mfpde.results.figures.laws.classes import draw_run
from mfpde.results.figures.samples.margin import draw_margins
from mfpde.results.figures.style import BLUE, ORANGE, new_figure
from mfpde.results.files.drawn import save_figure
from mfpde.shell.files import make_folder
from mfpde.shell.workers import executor
from mfpde.solvers.arrays import Array
from mfpde.solvers.optimum.sphere.hilbert import kernel_margin
from mfpde.solvers.optimum.sphere.pricing import RELU
from mfpde.solvers.threads.processors import processors

SIDE = 3
"""Discs along an axis."""
RADIUS, STEP = 1.0 / (3 * SIDE - 1), 3.0 / (3 * SIDE - 1)
DRAWS = 10
TESTED = 10_000
END, STEP_SIZE = 1000.0, 0.5
SAMPLES, DIMENSION, NEURONS = 256, 15, 200
"""Where they are not varied."""
SWEEPS: dict[str, tuple[int, ...]] = {
    "samples": (32, 64, 128, 256, 512),
    "dimension": (2, 5, 10, 15, 20),
    "neurons": (25, 50, 100, 200, 400),
}
WORDS = {"samples": "samples $P$", "dimension": "dimension $d$", "neurons": "neurons $N$"}


class Setting(NamedTuple):
    """One training."""

    seed: int
    samples: int = SAMPLES
    dimension: int = DIMENSION
    neurons: int = NEURONS


class Outcome(NamedTuple):
    """Test errors of both regimes, the normalised margin of the trained network, and gamma_2."""

    feature: float
    kernel: float
    margin: float
    kernel_margin: float


def clusters(random: np.random.Generator, count: int, dimension: int, classes: Array) -> tuple[Array, Array]:
    """Inputs of shape (count, dimension), and their classes."""
    disc = random.integers(0, SIDE**2, count)
    centre = STEP * (np.stack([disc % SIDE, disc // SIDE], axis=1) - 0.5 * (SIDE - 1))
    angle, radius = random.uniform(0.0, 2.0 * np.pi, count), RADIUS * np.sqrt(random.uniform(size=count))
    plane = centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.column_stack([plane, random.uniform(-0.5, 0.5, (count, dimension - 2))]), classes[disc]


def coins(random: np.random.Generator) -> Array:
    """Classes of the discs, not all of them the same."""
    classes = random.choice([-1.0, 1.0], SIDE**2)
    return classes if np.ptp(classes) else coins(random)


def outcome(setting: Setting) -> Outcome:
    """Both regimes, trained on the same samples."""
    seed, samples, dimension, neurons = setting
    classes = coins(np.random.default_rng([seed, 0]))
    x, y = clusters(np.random.default_rng([seed, 1]), samples, dimension, classes)
    fresh, right = clusters(np.random.default_rng([seed, 2]), TESTED, dimension, classes)
    units, outputs = trained(x, y, neurons, seed)
    lengths = np.linalg.norm(units, axis=1)

    def network(inputs: Array) -> Array:
        return np.maximum(with_one(inputs) @ units.T, 0.0) @ outputs / neurons

    points = with_one(x)
    kernel = kernel_margin(sphere_kernel(RELU, points, points), y)
    alone = sphere_kernel(RELU, with_one(fresh), points) @ kernel.weights
    reached = float((y * network(x)).min()) / float(np.mean(np.abs(outputs) * lengths))
    feature, narrow = (float(np.mean(right * values <= 0.0)) for values in (network(fresh), alone))
    return Outcome(feature, narrow, reached, kernel.lower)


def trained(x: Array, y: Array, neurons: int, seed: int) -> tuple[Array, Array]:
    """(w, b) of shape (N, d + 1) and a of shape (N,) of gradient descent with every sample in every step."""
    width = float(1.0 / np.sqrt(x.shape[1]))
    tables: dict[str, dict[str, Any]] = {
        "data": {"law": "dataset", "points": x.tolist(), "values": y.tolist(), "loss": "logistic"},
        "network": {"activation": "relu", "coefficients": "trained", "offsets": "trained"},
        "initial": {"kappa": 1.0, "a": {"values": [-1.0, 1.0]}, "b": {"normal": [0.0, width]}},
        "time": {"end": END, "save": [0.0, END]},
        "sgd": {"neurons": neurons, "step_size": STEP_SIZE, "sampling": "full", "seed": seed},
    }
    w, a, b = np.split(mfpde.sgd(parse(tables), workers=1).position[0, -1], [x.shape[1], x.shape[1] + 1], axis=1)
    return np.hstack([w, b]), a[:, 0]


def with_one(x: Array) -> Array:
    """X: inputs with the coordinate 1."""
    return np.column_stack([x, np.ones(len(x))])


def swept() -> dict[str, Array]:
    """Outcomes by what was varied, of shape (values, draws, 4) each."""
    settings = [
        [Setting(seed)._replace(**{name: value}) for value in values for seed in range(DRAWS)]
        for name, values in SWEEPS.items()
    ]
    each = sorted({setting for part in settings for setting in part}, key=lambda setting: -setting.samples)
    with executor(processors()) as pool:
        found = dict(zip(each, pool.map(outcome, each), strict=True))
    shapes = [(len(values), DRAWS, len(Outcome._fields)) for values in SWEEPS.values()]
    return {
        name: np.array([found[setting] for setting in part]).reshape(shape)
        for name, part, shape in zip(SWEEPS, settings, shapes, strict=True)
    }


def spread(values: Array) -> str:
    """The mean, and the standard deviation over draws."""
    return f"{values.mean():7.4f} ({values.std(ddof=1):.4f})"


def tell(found: dict[str, Array]) -> None:
    """Tables: mean and, in brackets, standard deviation over draws."""
    print(f"d = {DIMENSION}, P = {SAMPLES}, N = {NEURONS} where not varied; {DRAWS} draws: mean (standard deviation)")
    for name, rows in found.items():
        print(f"{name:>10}  feature error     kernel error      difference        margin            gamma_2")
        for value, row in zip(SWEEPS[name], rows, strict=True):
            feature, kernel, margin, narrow = row.T
            print(f"{value:10d}  {'  '.join(map(spread, (feature, kernel, kernel - feature, margin, narrow)))}")


def sweeps_figure(found: dict[str, Array]) -> Any:
    """Test errors against samples and dimension, margins against neurons, with the standard error of the mean."""
    figure = new_figure(10.0, 3.2)
    panels = dict(zip(SWEEPS, figure.subplots(1, 3), strict=True))
    for name, axes in panels.items():
        shown = ((2, "trained, all parameters", BLUE), (3, r"$\gamma_2$", ORANGE))
        if name != "neurons":
            shown = ((0, "feature regime", BLUE), (1, "kernel regime", ORANGE))
        for place, label, colour in shown:
            values = found[name][..., place]
            bars = values.std(axis=1, ddof=1) / np.sqrt(DRAWS)
            look = {"color": colour, "marker": "o", "markersize": 4, "capsize": 2}
            axes.errorbar(SWEEPS[name], values.mean(axis=1), bars, label=label, **look)
        axes.set_xlabel(WORDS[name])
        axes.set_ylabel("test error" if name != "neurons" else "normalised margin")
        axes.set_ylim(bottom=0.0)
        axes.legend()
    for name in ("samples", "neurons"):
        panels[name].set_xscale("log", base=2)
        panels[name].set_xticks(SWEEPS[name], [str(value) for value in SWEEPS[name]])
    return figure


FLOWS = {"feature": ["time.end=100"], "kernel": ["time.end=20000", "dynamics.mobility={ w = 0.0, b = 0.0 }"]}
"""The two flows of margin-plane late in the clock of the loss."""


def flows_figure() -> Any:
    """The optima above and the flows below, the feature regime on the left and the kernel regime on the right."""
    figure = new_figure(8.2, 9.2)
    above, below = figure.subplots(2, 2)
    draw_margins(above, mfpde.margin("margin-plane"))
    for axes, asked in zip(below, FLOWS.values(), strict=True):
        draw_run(axes, mfpde.solve("margin-plane", overrides=["time.clock=loss", "time.save=11", *asked]))
    return figure


def main(arguments: list[str]) -> None:
    found = swept()
    tell(found)
    for folder in map(Path, arguments):
        make_folder(folder)
        save_figure(partial(sweeps_figure, found), folder / "margin-errors.png")
        save_figure(flows_figure, folder / "margin-flows.png")


if __name__ == "__main__":
    main(sys.argv[1:])
