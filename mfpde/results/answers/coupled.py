"""The result of `coupled`: risks of the coupled dynamics, the gaps between them, and the rates predicted for these."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.objects import labelled, told
from mfpde.solvers.arrays import Array

GAPS = {"pde_nd": ("pde", "nd"), "nd_pd": ("nd", "pd"), "pd_gd": ("pd", "gd"), "gd_sgd": ("gd", "sgd")}
"""The gaps, each between neighbours in the chain from the equation to SGD."""


@ANSWERS.register("coupled")
@dataclass(frozen=True)
class CoupledResult(Answer):
    """The coupled dynamics at the save times t = k eps, shape (T,).

    Attributes:
        time: t.
        risk: R of "pde" and R_N of "nd", "pd", "gd", "sgd", shape (T,) each.
        parameter_curves: max_i |theta_i - theta'_i| for "nd_pd", "pd_gd", "gd_sgd", shape (T,) each.
        rates: predicted rate of each gap, as a formula and its value.
        stride: n where gradient descent was found from steps of n eps (1: its own steps).
        descent_error: estimated error of "gd" from that, of R_N and of the parameters; 0 for its own steps.
        notes: what the user should know of the numbers.
        replica: which theta^0 and samples.
        status: "success"; "failed" or "interrupted" where the later save times are missing.
        wall_seconds: time of the run.
    """

    JSON = (
        *("gaps", "parameter_gaps", "rates", "time", "risk", "gap_curves"),
        *(told("parameter_gap_curves", "parameter_curves"), "stride"),
        *(labelled("descent_error", ("risk", "parameters")), "notes", "replica", "status", "wall_seconds"),
    )
    message = ""

    time: Array
    risk: dict[str, Array]
    parameter_curves: dict[str, Array]
    rates: dict[str, dict[str, str | float]]
    stride: int
    descent_error: tuple[float, float]
    notes: tuple[str, ...]
    replica: int
    status: str
    wall_seconds: float
    gap_curves: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        curves = {name: np.abs(self.risk[one] - self.risk[other]) for name, (one, other) in GAPS.items()}
        object.__setattr__(self, "gap_curves", curves)

    @property
    def gaps(self) -> dict[str, float]:
        """Largest gap of the risks over the save times."""
        return {name: float(curve.max()) for name, curve in self.gap_curves.items()}

    @property
    def parameter_gaps(self) -> dict[str, float]:
        """Largest gap of the parameters over the save times and neurons."""
        return {name: float(curve.max()) for name, curve in self.parameter_curves.items()}

    def table(self) -> str:
        """The result as text."""
        lines = [f"{'gap':<7} {'risk':>10} {'parameters':>11}  predicted rate"]
        for name, gap in self.gaps.items():
            moved = self.parameter_gaps.get(name)
            beside = "" if moved is None else f"{moved:.3e}"
            rate = self.rates[name]
            lines.append(f"{name:<7} {gap:>10.3e} {beside:>11}  {rate['formula']} = {rate['value']:.3g}")
        return "\n".join([*lines, *self.notes])


def predicted_rates(neurons: int, step_size: float, parameters: int) -> dict[str, dict[str, str | float]]:
    """The rates of Theorem 1 for N neurons of D parameters: upper bounds up to a factor e^{KT} that is not numeric."""
    finite = neurons**-0.5
    return {
        "pde_nd": {"formula": "N^-1/2 (its mean: 1/N)", "value": finite, "bias": 1.0 / neurons},
        "nd_pd": {"formula": "N^-1/2", "value": finite},
        "pd_gd": {"formula": "eps", "value": step_size},
        "gd_sgd": {
            "formula": "sqrt(eps (D + log N))",
            "value": math.sqrt(step_size * (parameters + math.log(neurons))),
        },
    }
