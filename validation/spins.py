"""Error against n for the spherical 3-spin: SGD with a quench of the batch, exact risks, and cuts along great circles.

    python -m validation.spins [FOLDER]

The experiment of Rotskoff and Vanden-Eijnden (arXiv:1805.00915) sized for two cores: their d = 25 takes millions of
steps, d = 5 shows the same in minutes. Networks of n sigmoid neurons are trained on fresh samples, from half of the
time on in batches of 8. Their theory says R_n = R + O(1/n) at equal times, R that of infinitely many neurons, and no
less where R is far below: four times as many neurons leave a quarter from 16 to 64, and fewer than 16 are too few.
With a FOLDER the error and cuts are drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.figures.style import BLUE, ORANGE, STYLE, new_figure
from mfpde.shell.files import make_folder, write_atomically
from mfpde.solvers.arrays import Array
from mfpde.solvers.harmonics.spins import SpinTarget

DIMENSION, END, STEP_SIZE = 5, 4000.0, 0.02
NEURONS = (4, 16, 64)
REPLICAS = 2
QUENCH = 8
"""Size of a batch from half of the time on."""


def tables(neurons: int) -> dict[str, dict[str, object]]:
    """The experiment with so many neurons."""
    half = round(0.5 * END / STEP_SIZE)
    options: dict[str, object] = {"neurons": neurons, "step_size": STEP_SIZE, "replicas": REPLICAS, "seed": neurons}
    options["batch"] = {"steps": [0, half], "sizes": [1, QUENCH]}
    data = {"law": "three-spin", "dim": DIMENSION}
    initial: dict[str, object] = {"b": {"normal": [0.0, 1.0]}}
    time: dict[str, object] = {"end": END, "save": 5}
    return {"data": data, "network": {}, "initial": initial, "time": time, "sgd": options}


def trained(neurons: int) -> SgdResult:
    """Replicas of SGD."""
    return mfpde.sgd(parse(tables(neurons)), workers=1)


def target() -> SpinTarget:
    """f."""
    data = build_problem(parse(tables(1))).data
    return data.target  # type: ignore[attr-defined, no-any-return]


def slope(risks: Array) -> tuple[float, float]:
    """That of log median R_n over log n, and its standard error by single replicas."""
    logs = np.log(np.array(NEURONS, dtype=float))
    each = [float(np.polyfit(logs, np.log(row), 1)[0]) for row in risks.T]
    middle = float(np.polyfit(logs, np.log(np.median(risks, axis=1)), 1)[0])
    return middle, float(np.std(each, ddof=1)) / np.sqrt(len(each))


def cut(result: SgdResult, first: int, second: int, angles: Array) -> tuple[Array, Array]:
    """f and f_n of replica 0 along the great circle through two axes."""
    x = np.zeros((len(angles), DIMENSION))
    x[:, first], x[:, second] = np.cos(angles), np.sin(angles)
    x *= np.sqrt(DIMENSION)
    last = result.position[0, -1]
    u = x @ last[:, :DIMENSION].T + last[:, DIMENSION + 1]
    return target().values(x), (1.0 / (1.0 + np.exp(-u))) @ last[:, DIMENSION] / len(last)


def draw(results: list[SgdResult], risks: Array, path: Path) -> None:
    """Left R_n against n, right cuts of the largest network."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(9.0, 3.6)
        left, right = figure.subplots(1, 2)
        left.loglog(NEURONS, risks, "o", color="0.7", markersize=3)
        left.loglog(NEURONS, np.median(risks, axis=1), "o-", color=BLUE, label="median over seeds")
        left.loglog(NEURONS, np.median(risks[0]) * NEURONS[0] / np.array(NEURONS), "--", color="0.4", label="1/n")
        left.set_xlabel("neurons $n$")
        left.set_ylabel(r"$R_n / E f^2$")
        left.legend()
        angles = np.linspace(0.0, 2.0 * np.pi, 201)
        for place, colour in ((1, BLUE), (2, ORANGE)):
            exact, found = cut(results[-1], 0, place, angles)
            right.plot(angles, exact, color=colour, label=f"$f$, axes 1 and {place + 1}")
            right.plot(angles, found, "--", color=colour, label=f"$f_n$, n = {NEURONS[-1]}")
        right.set_xlabel("angle along a great circle")
        right.legend(fontsize=7)
        write_atomically(path, figure.savefig)


def main(arguments: list[str]) -> None:
    second = target().second_moment
    results = [trained(neurons) for neurons in NEURONS]
    risks = np.array([result.risk[:, -1] for result in results]) / second
    print(f"d = {DIMENSION}, E f^2 = {second:.6g}, t = {END:g}: R_n / E f^2, {REPLICAS} seeds")
    for neurons, row in zip(NEURONS, risks, strict=True):
        print(f"{neurons:6d}  median {np.median(row):.4f}  from {row.min():.4f} to {row.max():.4f}")
    middle, error = slope(risks)
    print(f"slope of log R_n in log n: {middle:.2f} +- {error:.2f}")
    if arguments:
        folder = Path(arguments[0])
        make_folder(folder)
        draw(results, risks, folder / "three-spin.png")


if __name__ == "__main__":
    main(sys.argv[1:])
