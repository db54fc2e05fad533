"""The result of `kernel`: curves and spectra of the kernel limit, and runs at finite output scales beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.solve import told_rows
from mfpde.results.objects import Key, Part, labelled, told
from mfpde.solvers.arrays import Array

TOLD = 6
"""Eigenvalues that the table names."""
WORDS = {"w": "only w trained", "a": "only a trained (random features)", "all": "all trained (tangent kernel)"}


@dataclass(frozen=True)
class Regression(Part):
    """The f of least sum_p omega_p (y_p - f(x_p))^2 + ridge |f|_H^2; without a ridge of least norm among those.

    Attributes:
        ridge: lambda.
        risk, risk_error: on the samples, and its estimated error.
        test_risk, test_risk_error: on those held out; NaN where there are none.
        norm: |f|_H in the space of the kernel.
        predictions: f at the inputs held out, shape (n,).
    """

    ridge: float
    risk: float
    risk_error: float
    test_risk: float
    test_risk_error: float
    norm: float
    predictions: Array

    @property
    def line(self) -> str:
        """In words."""
        test = (
            f", test {self.test_risk:.8g} (error {self.test_risk_error:.1e})" if math.isfinite(self.test_risk) else ""
        )
        risk = f"risk {self.risk:.8g} (error {self.risk_error:.1e}){test}"
        return f"  regression, ridge {self.ridge:g}: {risk}, norm {self.norm:.8g}"


@dataclass(frozen=True)
class KernelMode(Part):
    """What the kernel of rho_0 learns where some of the parameters are trained.

    Attributes:
        risk, risk_error: R_K at the save times and its estimated error, shape (T,).
        eigenvalues: of the kernel in L2 of the data, descending, shape (M,).
        resolved: how many are above 1e-13 of the largest; the others are not told from 0.
        risk_infinity, risk_infinity_error: what the resolved ones never learn, and its estimated error.
        risk_infinity_all: the same by all that are not 0 in floating point.
        test_risk: of the flow at the save times on the samples of a data set that are held out, shape (T,), if any.
        regression: kernel regressions on a data set, by their ridge; None on other laws.
    """

    JSON = (
        *("risk", "risk_error", "eigenvalues", "resolved", "risk_infinity", "risk_infinity_error", "risk_infinity_all"),
        *(told("test_risk", optional=True), told("regression", optional=True)),
    )

    risk: Array
    risk_error: Array
    eigenvalues: Array
    resolved: int
    risk_infinity: float
    risk_infinity_error: float
    risk_infinity_all: float
    test_risk: Array | None = None
    regression: tuple[Regression, ...] | None = None

    def lines(self, name: str) -> list[str]:
        """Spectrum and what is never learned, in words."""
        told_ones = ", ".join(f"{value:.6g}" for value in self.eigenvalues[: min(TOLD, self.resolved)])
        noise = f"{self.resolved} of {len(self.eigenvalues)} eigenvalues are above 1e-13 of the largest"
        last = f"R(infinity) = {self.risk_infinity:.10g} (error {self.risk_infinity_error:.1e}) by these"
        every = f"{self.risk_infinity_all:.10g} by all: the difference is not told from noise"
        spectrum = [f"{name}: {WORDS[name]}", f"  {noise}{told_ones and f': {told_ones}'}", f"  {last}, {every}"]
        return [*spectrum, *(each.line for each in self.regression or ())]


def _of_less(name: str) -> Key:
    """What is told where runs are missing."""
    return Key(
        name,
        lambda limit, names: None if limit.status == "success" else getattr(limit, name),
        lambda value: {name: value},
        optional=True,
    )


@ANSWERS.register("kernel")
@dataclass(frozen=True)
class KernelLimit(Answer):
    """The limit of large output scales alpha, in which neurons move by 1/alpha and the kernel stays that of rho_0.

    Attributes:
        time: save times, shape (T,).
        modes: by what is trained: "w", "a", "all".
        scales: alpha of the runs beside them; None where there are none.
        scale_risk, scale_error: their risks with estimated errors, shape (A, T).
        slope: p of sup_t |R_alpha - R_K| ~ alpha^-p from the two largest scales, and its error; NaN with fewer.
        notes: what the user should know of the runs.
        status, message: "success" and empty, or which runs are missing and why.
        configuration: TOML, in its file.
    """

    FIGURES = ("kernel",)
    JSON = (
        *("time", "modes", told("scales", optional=True), told("risk", "scale_risk", optional=True)),
        told("risk_error", "scale_error", optional=True),
        replace(labelled("slope", ("value", "error")), optional=True),
        "notes",
        *(_of_less("status"), _of_less("message")),
    )

    time: Array
    modes: Mapping[str, KernelMode]
    scales: tuple[float, ...] | None = None
    scale_risk: Array | None = None
    scale_error: Array | None = None
    slope: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    status: str = "success"
    message: str = ""
    configuration: str = ""

    @property
    def trained(self) -> KernelMode:
        """The mode of everything that the network trains, which the runs at finite scales come to."""
        return list(self.modes.values())[-1]

    def table(self, rows: int = 16) -> str:
        """Curves side by side, then each spectrum."""
        heads = [f"{'R_K ' + name:>14} {'error':>8}" for name in self.modes]
        runs = [] if self.scales is None else [f"{f'alpha = {scale:g}':>14}" for scale in self.scales]
        lines = ["  ".join([f"{'t':>10}", *heads, *runs])]
        for k in told_rows(len(self.time), rows):
            curves = [f"{mode.risk[k]:>14.10g} {mode.risk_error[k]:>8.1e}" for mode in self.modes.values()]
            others = [] if self.scale_risk is None else [f"{risk[k]:>14.10g}" for risk in self.scale_risk]
            lines.append("  ".join([f"{self.time[k]:>10.4g}", *curves, *others]))
        for name, mode in self.modes.items():
            lines += mode.lines(name)
        if self.slope is not None and math.isfinite(self.slope[0]):
            lines.append(f"sup |R_alpha - R_K| falls like alpha^-{self.slope[0]:.4g} (error {self.slope[1]:.1g})")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def runs(self) -> dict[float, tuple[Array, Array]]:
        """Risk and error of the runs, by their scale."""
        if self.scales is None or self.scale_risk is None or self.scale_error is None:
            return {}
        return dict(zip(self.scales, zip(self.scale_risk, self.scale_error, strict=True), strict=True))

    def beside(self, runs: Mapping[float, tuple[Array, Array]]) -> KernelLimit:
        """The limit with runs beside it, and how fast they come to it."""
        scales = tuple(sorted(runs))
        risk, error = (np.stack([runs[scale][part] for scale in scales]) for part in (0, 1))
        gaps = np.abs(risk - self.trained.risk)
        at = gaps.argmax(axis=1), np.arange(len(scales))
        errors = np.array([error[row, time] + self.trained.risk_error[time] for time, row in zip(*at, strict=True)])
        slope = measured_slope(np.array(scales), gaps.max(axis=1), errors)
        return replace(self, scales=scales, scale_risk=risk, scale_error=error, slope=slope)

    def sound(self, time: Sequence[float]) -> bool:
        """Whether it has finite risks at these times."""
        curves = [curve for mode in self.modes.values() for curve in (mode.risk, mode.risk_error)]
        curves += [curve for run in self.runs().values() for curve in run]
        whole = all(curve.shape == (len(time),) and bool(np.all(np.isfinite(curve))) for curve in curves)
        return whole and len(self.modes) > 0 and self.time.tolist() == list(time)

    def provenance(self) -> Mapping[str, Any]:
        """What it is gone on from."""
        return {"configuration": self.configuration}

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The configuration."""
        return {"configuration": content.get("configuration", "")}


def measured_slope(scales: Array, gaps: Array, errors: Array) -> tuple[float, float]:
    """p of gaps ~ scales^-p (1 + O(1/scales)), increasing scales, from the last two, and its error.

    The slope of the pair before is off by more in the ratio of the scales: the error is twice what follows from the
    difference of the two, and what the errors of the gaps make of the last; gaps within their errors have none.
    """
    if len(scales) < 2 or not (gaps > errors).all():
        return math.nan, math.nan
    steps = np.diff(np.log(scales))
    slopes = -np.diff(np.log(gaps)) / steps
    known = float((errors[-2:] / gaps[-2:]).sum() / steps[-1])
    if len(slopes) < 2:
        return float(slopes[-1]), math.nan
    curved = 2.0 * abs(float(slopes[-1] - slopes[-2])) / (math.exp(float(steps[-2])) - 1.0)
    return float(slopes[-1]), curved + known
