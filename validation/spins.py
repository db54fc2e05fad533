"""Error against n for the spherical 3-spin: SGD with a quench of the batch, exact risks, and cuts along great circles.

    python -m validation.spins [5|25] [FOLDER]

The experiment of Rotskoff and Vanden-Eijnden (arXiv:1805.00915), in their d = 25 and, by default, in d = 5, where
training ends within minutes. Networks of n sigmoid neurons are trained on fresh samples, from half of the time on in
larger batches. Their theory says R_n = R + O(1/n) at equal times, R that of infinitely many neurons, and no less where
R is far below: in d = 5 four times as many neurons leave a quarter from 16 to 64, and fewer than 16 are too few. In d =
25 the harmonics of degree 3 are 2900 numbers to learn: a time that two cores have ends long before R does. With a
FOLDER the error and cuts are drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import special

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.figures.laws.circles import draw_cuts
from mfpde.results.figures.style import BLUE, new_figure
from mfpde.results.files.drawn import save_figure
from mfpde.shell.files import make_folder
from mfpde.shell.workers import executor
from mfpde.solvers.arrays import Array
from mfpde.solvers.harmonics.spins import SpinTarget
from mfpde.solvers.threads.processors import processors

REPLICAS = 2


class Study(NamedTuple):
    """Sizes of networks, and how each is trained: to the time `end`, in batches of `before` and then of `after`."""

    dimension: int
    neurons: tuple[int, ...]
    end: float
    step_size: float
    before: int
    after: int

    def tables(self, neurons: int) -> dict[str, dict[str, object]]:
        """The experiment with so many neurons."""
        half = round(0.5 * self.end / self.step_size)
        options: dict[str, object] = {"neurons": neurons, "step_size": self.step_size, "replicas": REPLICAS}
        options |= {"seed": neurons, "batch": {"steps": [0, half], "sizes": [self.before, self.after]}}
        data = {"law": "three-spin", "dim": self.dimension}
        initial: dict[str, object] = {"b": {"normal": [0.0, 1.0]}}
        time: dict[str, object] = {"end": self.end, "save": 5}
        return {"data": data, "network": {}, "initial": initial, "time": time, "sgd": options}

    def trained(self, neurons: int) -> SgdResult:
        """Replicas of SGD."""
        return mfpde.sgd(parse(self.tables(neurons)), workers=1)

    def target(self) -> SpinTarget:
        """f."""
        data = build_problem(parse(self.tables(1))).data
        return data.target  # type: ignore[attr-defined, no-any-return]


STUDIES = {
    "5": Study(5, (4, 16, 64), 4000.0, 0.02, 1, 8),
    "25": Study(25, (16, 64, 256, 1024), 50000.0, 0.5, 8, 64),
}


def slope(neurons: tuple[int, ...], risks: Array) -> tuple[float, float]:
    """That of log median R_n over log n, and its standard error by single replicas."""
    logs = np.log(np.array(neurons, dtype=float))
    each = [float(np.polyfit(logs, np.log(row), 1)[0]) for row in risks.T]
    middle = float(np.polyfit(logs, np.log(np.median(risks, axis=1)), 1)[0])
    return middle, float(np.std(each, ddof=1)) / np.sqrt(len(each))


def network(result: SgdResult) -> Callable[[Array], Array]:
    """f_n of replica 0 at the end."""
    *w, a, b = result.position[0, -1].T
    return lambda x: special.expit(x @ np.array(w) + b) @ a / len(a)


def draw(study: Study, results: list[SgdResult], risks: Array) -> Any:
    """Left R_n against n, right cuts of the largest network."""
    figure = new_figure(9.4, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=[2, 3])
    left.loglog(study.neurons, risks, "o", color="0.7", markersize=3)
    left.loglog(study.neurons, np.median(risks, axis=1), "o-", color=BLUE, label="median over seeds")
    first, numbers = np.median(risks[0]), np.array(study.neurons)
    left.loglog(numbers, first * numbers[0] / numbers, "--", color="0.4", label="1/n")
    left.set_xlabel("neurons $n$")
    left.set_ylabel(r"$R_n / E f^2$")
    left.set_xticks(numbers, [str(number) for number in numbers])
    left.minorticks_off()
    left.legend()
    draw_cuts(right, study.dimension, study.target().values, network(results[-1]))
    right.set_title(f"$n = {numbers[-1]}$")
    return figure


def main(arguments: list[str]) -> None:
    study = STUDIES[next((each for each in arguments if each in STUDIES), "5")]
    second = study.target().second_moment
    with executor(processors()) as pool:
        results = list(pool.map(study.trained, study.neurons[::-1]))[::-1]
    risks = np.array([result.risk[:, -1] for result in results]) / second
    print(f"{study}, E f^2 = {second:.6g}: R_n / E f^2, {REPLICAS} seeds")
    for neurons, row in zip(study.neurons, risks, strict=True):
        print(f"{neurons:6d}  median {np.median(row):.4f}  from {row.min():.4f} to {row.max():.4f}")
    middle, error = slope(study.neurons, risks)
    print(f"slope of log R_n in log n: {middle:.2f} +- {error:.2f}")
    for folder in (Path(each) for each in arguments if each not in STUDIES):
        make_folder(folder)
        name = "three-spin.png" if study.dimension == 5 else f"three-spin-{study.dimension}.png"
        save_figure(partial(draw, study, results, risks), folder / name)


if __name__ == "__main__":
    main(sys.argv[1:])
