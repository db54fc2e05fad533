"""The result of `compare`: the equation and SGD side by side, and the dynamics coupled between them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.kernel import KernelLimit
from mfpde.results.answers.sgd import SgdResult, told_spread
from mfpde.results.answers.solve import Array, SolveResult, told_rows
from mfpde.results.files.netcdf_file import Checkpoint
from mfpde.results.objects import Part, computed, labelled, plain, told

ATTRIBUTE = "comparison"
"""What the file of the replicas calls what was compared."""
GAPS = {"pde_nd": ("pde", "nd"), "nd_pd": ("nd", "pd"), "pd_gd": ("pd", "gd"), "gd_sgd": ("gd", "sgd")}
"""The gaps, each between neighbours in the chain from the equation to SGD."""
OWN = ("time", "notes", "status", "wall_seconds")
"""What the coupled dynamics say of themselves by the names under which the whole says it."""
COMPARED = ("laws", "fluctuation", "monte_carlo", "monte_carlo_error", "coupled", "notes", "wall_seconds", "kernel")


def beside(path: str | Path) -> Path:
    """The file of the equation, beside that of the replicas."""
    return Path(path).with_suffix(".pde.nc")


@dataclass(frozen=True)
class LawDistance(Part):
    """How far the law of all replicas' neurons is from rho_t in one coordinate.

    Attributes:
        time, name: when, and of which coordinate.
        kolmogorov: sup |F_N - F| of the distribution functions; NaN where a grid is too coarse for F.
        w2: one-dimensional Wasserstein distance of the marginals.
        noise: 1.36 / sqrt(neurons): Kolmogorov distances of independent draws lie below with probability .95.
        kolmogorov_error, w2_error: how far the marginal of rho_t is, in either distance, from one of other points; NaN
            where there is none.
    """

    time: float
    name: str
    kolmogorov: float
    w2: float
    noise: float
    kolmogorov_error: float = math.nan
    w2_error: float = math.nan


@ANSWERS.register("compare")
@dataclass(frozen=True)
class CompareResult(Answer):
    """The equation and replicas of SGD from the same rho_0, at the same times.

    Attributes:
        pde: the trajectory of the equation.
        sgd: the replicas.
        laws: distances of the laws at a few times.
        fluctuation: N E|f_N - f|^2, shape (R, T).
        monte_carlo: K(rho_t), shape (T,); both NaN where the law of the data has no exact moments.
        monte_carlo_error: estimate of its error, from a law on another quadrature, shape (T,); NaN where it is unknown.
        coupled: JSON of the four coupled dynamics; None where they were not asked for.
        wall_seconds: of everything.
        kernel: the kernel limit at the same times; None where it was not asked for.
    """

    FIGURES = ("compare_risk", "compare_statistics", "compare_law", "fluctuations")

    JSON = (
        *(told("time", "sgd.time"), told("risk_pde", "pde.risk"), told("risk_pde_error", "pde.risk_error")),
        *(told("risk_sgd", "sgd.risk"), "sup_gap", "laws", "fluctuation", "monte_carlo", "monte_carlo_error"),
        computed("", lambda compared, names: compared.chain),
        replace(computed("risk_kernel", lambda compared, names: compared.risk_kernel), optional=True),
        told("kernel", optional=True),
        *("notes", "wall_seconds", "status"),
    )

    pde: SolveResult
    sgd: SgdResult
    laws: tuple[LawDistance, ...]
    fluctuation: Array
    monte_carlo: Array
    monte_carlo_error: Array
    coupled: Mapping[str, Any] | None = None
    wall_seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())
    kernel: KernelLimit | None = None

    @property
    def status(self) -> str:
        """ "success", or that of the first part that was not: the equation, SGD, the coupled dynamics."""
        last = "success" if self.coupled is None else str(self.coupled["status"])
        return next((each for each in (self.pde.status, self.sgd.status) if each != "success"), last)

    @property
    def message(self) -> str:
        """What the equation and SGD have to say, and why the coupled dynamics did not come to their end."""
        return "\n".join(filter(None, (self.pde.message, self.sgd.message, self._cut_short)))

    @property
    def _cut_short(self) -> str:
        if self.coupled is None or self.coupled["status"] == "success":
            return ""
        return f"coupled dynamics: {self.coupled['notes'][-1]}; their gaps are those of the times before"

    @property
    def chain(self) -> Mapping[str, Any]:
        """What the whole says of the coupled dynamics; what they say of themselves stands below "coupled"."""
        if self.coupled is None:
            return {"gaps": None}
        own = {name: self.coupled[name] for name in OWN}
        return {**{name: value for name, value in self.coupled.items() if name not in OWN}, "coupled": own}

    def save(self, path: str | Path, checkpoint: Checkpoint | None = None, of_pde: Checkpoint | None = None) -> None:
        """Write the replicas, with what was compared, and beside them the equation; raises OutputError.

        Args:
            checkpoint, of_pde: the arrays that the replicas and the equation can be resumed from.
        """
        self.pde.save(beside(path), of_pde)
        said = json.dumps(plain({key: getattr(self, key) for key in COMPARED}, ()), allow_nan=False)
        replace(self.sgd, attributes={**self.sgd.attributes, ATTRIBUTE: said}).save(path, checkpoint)

    @classmethod
    def of_file(cls, sgd: SgdResult, path: Path) -> Self:
        """The comparison of the replicas that a file holds; raises ResultFileError."""
        said = json.loads(str(sgd.attributes[ATTRIBUTE]))
        said.setdefault("monte_carlo_error", [None] * len(sgd.time))  # files of before have none
        own = {key: value for key, value in sgd.attributes.items() if key != ATTRIBUTE}
        return cls.made({**said, "pde": SolveResult.read(beside(path))[0], "sgd": replace(sgd, attributes=own)})

    @property
    def sup_gap(self) -> Array:
        """sup_t |R_N(theta^k) - R(rho_t)| of every replica, shape (R,); NaN where either lacks a time."""
        if len(self.pde.risk) < self.sgd.risk.shape[1]:
            return np.full(len(self.sgd.risk), np.nan)
        return np.asarray(np.abs(self.sgd.risk - self.pde.risk).max(axis=1))

    @property
    def risk_kernel(self) -> Array | None:
        """R_K of what the network trains, shape (T,); None where it was not asked for."""
        return None if self.kernel is None else self.kernel.trained.risk

    @property
    def has_fluctuations(self) -> bool:
        """Whether the law of the data has the exact moments that fluctuations are made of."""
        return bool(np.isfinite(self.monte_carlo).any())

    def table(self, rows: int = 16) -> str:
        """Risks with the spread of the replicas, gaps and distances as text; empty where R or R_N is missing."""
        if not len(self.laws):
            return ""
        head = f"{'t':>10}  {'R ' + self.pde.of_what:>11}  {'R_N mean':>11}  {'std':>8}  {'N E|f_N-f|^2':>12}"
        lines = [f"{head}  {'Monte Carlo':>11}  {'error':>8}"]
        for k in told_rows(len(self.sgd.time), rows):
            risk, spread = self.sgd.risk[:, k], self.fluctuation[:, k].mean()
            line = f"{self.sgd.time[k]:>10.4g}  {self.pde.risk[k]:>11.6g}  {risk.mean():>11.6g}  {told_spread(risk):>8}"
            lines.append(f"{line}  {spread:>12.4g}  {self.monte_carlo[k]:>11.4g}  {self.monte_carlo_error[k]:>8.1e}")
        gaps = self.sup_gap
        lines.append(f"sup |R_N - R|: mean {gaps.mean():.3g}, from {gaps.min():.3g} to {gaps.max():.3g}")
        if self.risk_kernel is not None:
            away = np.abs(self.pde.risk - self.risk_kernel).max()
            lines.append(f"kernel limit: R_K = {self.risk_kernel[-1]:.6g} at the end, sup |R - R_K| = {away:.3g}")
        for law in self.laws:
            draws = f"(independent draws: {law.noise:.2g}), "
            apart = f"Kolmogorov {law.kolmogorov:.3g} +- {law.kolmogorov_error:.1g} {draws}"
            known = apart if math.isfinite(law.kolmogorov) else ""
            lines.append(f"law of {law.name} at t = {law.time:.4g}: {known}W2 {law.w2:.3g} +- {law.w2_error:.1g}")
        if self.coupled is not None:
            for name, gap in (self.coupled["gaps"] or {}).items():
                apart = self.coupled["parameter_gaps"].get(name)
                text = f"{name.replace('_', ' - ').upper():<10} sup gap in risk {gap:.2e}"
                lines.append(f"{text}{'' if apart is None else f', in max |theta| {apart:.2e}'}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


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
