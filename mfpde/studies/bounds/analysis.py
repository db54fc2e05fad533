"""What a sweep says: series, exponents and verdicts from its risk curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mfpde.results.answers.bounds import BoundsResult, Exponent, Point, PointRuns, Series
from mfpde.solvers.arrays import Array
from mfpde.studies.bounds.design import Design
from mfpde.studies.bounds.fits import FAILS, UNKNOWN, Bootstrap, Quantity, bias, fluctuation, mean_sup, verdict
from mfpde.studies.bounds.runs import Curve

FLUCTUATION = Quantity("fluctuation_neurons", "neurons", "flow", fluctuation, -0.5, spread=True)
BIAS = Quantity("bias_neurons", "neurons", "flow", bias, -1.0, signed=True)
FLOW_GAP = Quantity("flow_gap_neurons", "neurons", "flow", mean_sup, -0.5)
SUP_NEURONS = Quantity("sup_gap_neurons", "neurons", "sup", mean_sup, -0.5)
STEP_PART = Quantity("step_part_step_size", "step_size", "step", mean_sup, 0.5)
STEP_STD = Quantity("step_fluctuation_step_size", "step_size", "step", fluctuation, 0.5, spread=True)
SUP_STEPS = Quantity("sup_gap_step_size", "step_size", "sup", mean_sup, np.nan)
SUP_DIMS = Quantity("sup_gap_dimension", "dim", "sup", mean_sup, 0.0)
STEP_DIMS = Quantity("step_part_dimension", "dim", "step", mean_sup, 0.0)
QUANTITIES = (FLUCTUATION, BIAS, FLOW_GAP, SUP_NEURONS, STEP_PART, STEP_STD, SUP_STEPS, STEP_DIMS, SUP_DIMS)
STEP_DIMS_FIXED = "step_part_dimension_fixed_step"
FLOOR_SHARE = 0.25
"""Share of the step part in the gap at the largest N above which a flat curve over N says nothing of N."""

CLAIMS: tuple[tuple[str, str, float, bool], ...] = (
    ("finite-N fluctuation falls at least as N^-1/2", FLUCTUATION.name, -0.5, True),
    ("finite-N bias falls at least as 1/N", BIAS.name, -1.0, True),
    ("sup gap of the gradient flow falls at least as N^-1/2", FLOW_GAP.name, -0.5, True),
    ("sup gap of SGD falls at least as N^-1/2", SUP_NEURONS.name, -0.5, True),
    ("step part falls at least as sqrt(step size)", STEP_PART.name, 0.5, False),
    ("fluctuation of the step part falls at least as sqrt(step size)", STEP_STD.name, 0.5, False),
    ("step part does not grow with d at fixed N and step size times d", STEP_DIMS.name, 0.0, True),
    ("sup gap does not grow with d at fixed N and step size times d", SUP_DIMS.name, 0.0, True),
)
FACTORS = {"neurons": "--neurons", "step_size": "--step-sizes", "dim": "--dims"}


class Curves:
    """Finished risk curves: SGD by point and replica, the gradient flow by (N, d) and replica, the PDE by d."""

    def __init__(
        self,
        sgd: Mapping[Point, Mapping[int, Curve]],
        flow: Mapping[tuple[int, int], Mapping[int, Curve]],
        pde: Mapping[int, Curve],
    ) -> None:
        self.sgd, self.flow, self.pde = sgd, flow, pde

    def runs(self, point: Point) -> PointRuns | None:
        """The gaps of SGD to the PDE at a point."""
        curves = self.sgd[point]
        if not curves or point.dim not in self.pde:
            return None
        time = next(iter(curves.values())).time
        law = self.pde[point.dim].at(time)
        return PointRuns(point, tuple(curves), time, np.stack([curve.risk - law for curve in curves.values()]))

    def gap(self, part: str, point: Point, replicas: int) -> tuple[Array, Array] | None:
        """(time, gap) of one part at a point: "sup" SGD - PDE, "flow" flow - PDE, "step" SGD - flow.

        None where a replica is missing.
        """
        sgd, flow = self.sgd[point], self.flow[point.neurons, point.dim]
        pde = self.pde.get(point.dim)
        needs_sgd, needs_flow, needs_pde = part != "flow", part != "sup", part != "step"
        if (needs_sgd and len(sgd) < replicas) or (needs_flow and len(flow) < replicas) or (needs_pde and pde is None):
            return None
        every = range(replicas)
        time = sgd[0].time if sgd else next(iter(flow.values())).time
        high = [sgd[replica].at(time) if needs_sgd else flow[replica].at(time) for replica in every]
        if pde is not None and needs_pde:
            law = pde.at(time)
            return time, np.stack([risk - law for risk in high])
        return time, np.stack([risk - flow[replica].at(time) for replica, risk in zip(every, high, strict=True)])


def analyse(design: Design, curves: Curves) -> BoundsResult:
    """Series, exponents and verdicts from the curves that are there."""
    bootstrap = Bootstrap.of(design.replicas)
    sweeps = {"neurons": design.neuron_sweep, "step_size": design.step_sweep, "dim": design.dim_sweep}
    series: list[Series] = []
    exponents: dict[str, Exponent] = {}
    slopes: dict[str, Array] = {}
    missing: dict[str, str] = {}
    for quantity in QUANTITIES:
        points = sweeps[quantity.factor]
        gaps = [curves.gap(quantity.part, point, design.replicas) for point in points]
        present = [gap for gap in gaps if gap is not None]
        exponents[quantity.name] = UNKNOWN
        missing[quantity.name] = _lack(design, quantity.factor, len(points), len(present))
        if len(present) == len(points):
            x = np.array([float(getattr(point, quantity.factor)) for point in points])
            along, slopes[quantity.name] = quantity.along(x, present, bootstrap)
            series.append(along)
            exponents[quantity.name] = along.exponent
            if quantity.signed and not (missing[quantity.name] or np.isfinite(along.exponent.value)):
                missing[quantity.name] = f"at N = {x[0]:g} it is lost in its scatter; write more --replicas"
    exponents[STEP_DIMS_FIXED] = UNKNOWN
    if STEP_DIMS.name in slopes and STEP_PART.name in slopes:
        # eps = c / d along d: at fixed eps the slope is that at fixed eps d plus that of eps. It has no verdict: a part
        # that shrinks faster than sqrt(eps d), as eps d say, grows faster with d and is below the bound all the same.
        exponents[STEP_DIMS_FIXED] = bootstrap.interval(slopes[STEP_DIMS.name] + slopes[STEP_PART.name])
    verdicts = {
        claim: verdict(exponents[name], reference, at_most, missing[name]) for claim, name, reference, at_most in CLAIMS
    }
    claim = CLAIMS[3][0]
    verdicts[claim] = _unless_floor(verdicts[claim], design, curves)
    runs = tuple(each for point in design.points if (each := curves.runs(point)) is not None)
    error = max((curve.error for curve in curves.pde.values()), default=np.nan)
    return BoundsResult(str(design), runs, tuple(series), exponents, verdicts, error, "running", 0.0)


def _lack(design: Design, factor: str, points: int, present: int) -> str:
    """Why there is no exponent, and what to write; empty where there is one."""
    if present < points:
        return "runs are missing"
    if points < 2:
        return f"one value only; write several after {FACTORS[factor]}"
    return "one replica has no scatter; write --replicas 10" if design.replicas < 2 else ""


def _unless_floor(text: str, design: Design, curves: Curves) -> str:
    """A gap that stops falling with N because steps hold it up does not contradict the bound."""
    point = design.neuron_sweep[-1]
    both = curves.gap("step", point, design.replicas), curves.gap("sup", point, design.replicas)
    if both[0] is None or both[1] is None or not text.startswith(FAILS):
        return text
    step, whole = (float(np.max(np.abs(gap), axis=1).mean()) for _, gap in (both[0], both[1]))
    if not (step > FLOOR_SHARE * whole):
        return text
    numbers = f"{text[len(FAILS) :]}; steps make {step:.2g} of the {whole:.2g} at N = {point.neurons}"
    return f"undecided within the data{numbers}: write smaller --step-sizes"
