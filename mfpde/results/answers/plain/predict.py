"""The result of `predict`: the outputs of a law of neurons at given inputs."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.objects import told
from mfpde.solvers.arrays import Array

SHOWN = 20
"""Outputs of a table at most."""


@ANSWERS.register("predict")
@dataclass(frozen=True)
class Predictions(Whole):
    """f(x; rho_t) at the rows of a file.

    Attributes:
        time: t.
        predictions: one for each row, shape (n,).
        risk: the mean loss of the rows (for the square loss the mean square error); None where they have no targets.
        accuracy: the share of rows whose class is the sign of f; None where there are no classes.
    """

    JSON = ("time", "predictions", told("risk", optional=True), told("accuracy", optional=True))

    time: float
    predictions: Array
    risk: float | None = None
    accuracy: float | None = None

    def table(self) -> str:
        """The first of them, and what they are worth."""
        lines = [f"{'row':>6}  f at t = {self.time:g}"]
        lines += [f"{row:>6}  {value:.12g}" for row, value in enumerate(self.predictions[:SHOWN].tolist(), 1)]
        if len(self.predictions) > SHOWN:
            lines.append(f"   ...  {len(self.predictions)} in all (--json tells them)")
        worth = {"risk": self.risk, "accuracy": self.accuracy}
        return "\n".join([*lines, *(f"{name} {value:.10g}" for name, value in worth.items() if value is not None)])
