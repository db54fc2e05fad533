"""bounds: how the distance between SGD and its PDE scales with N, eps and d.

    sup_{k eps <= T} |R_N(theta^k) - R(rho_{k eps})|  <=  C N^{-1/2} sqrt(log N) + C sqrt(eps (D + log N))

(S. Mei, T. Misiakiewicz, A. Montanari, COLT 2019, arXiv:1902.06015, Theorem 1). The constants are not numeric: only
the rates are held against measurements, and as upper bounds, so that a gap that shrinks faster agrees with them. Every
replica is run three times from one theta^0 ~ rho_0: SGD, the gradient flow of its N neurons, and (in law) the PDE.

    finite-N part   R_N(flow) - R(rho_t):  fluctuation N^{-1/2}, bias N^{-1}
    step part       R_N(SGD) - R_N(flow):  sqrt(eps D), whatever N

The step part is so free of the finite-N floor, and the finite-N part of steps. All risks are exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from mfpde.configuration import Configuration
from mfpde.results.bounds_result import BoundsResult, Exponent, Point, PointRuns, Series
from mfpde.results.errors import OutputError, RunOutputError
from mfpde.results.output import reserved, write_atomically
from mfpde.results.provenance import provenance
from mfpde.results.solve_result import Array
from mfpde.studies.bounds_design import (
    Design,
    flow_configuration,
    make_design,
    pde_configuration,
    sgd_configuration,
)
from mfpde.studies.bounds_fits import (
    FAILS,
    UNKNOWN,
    Bootstrap,
    Quantity,
    bias,
    fluctuation,
    mean_sup,
    verdict,
)
from mfpde.studies.bounds_folder import RESULT_NAME, check_folder, prepare_folder
from mfpde.studies.bounds_runs import Curve, RunSpec, Store, compute, distribute
from mfpde.studies.run import Progress, silent
from mfpde.workers import default_workers

FLUCTUATION = Quantity("fluctuation_neurons", "neurons", "std of $R_N$, gradient flow", fluctuation, -0.5)
BIAS = Quantity("bias_neurons", "neurons", "bias of $R_N$, gradient flow", bias, -1.0, signed=True)
FLOW_GAP = Quantity("flow_gap_neurons", "neurons", "sup gap, gradient flow", mean_sup, -0.5)
SUP_NEURONS = Quantity("sup_gap_neurons", "neurons", "sup gap, SGD", mean_sup, -0.5)
STEP_PART = Quantity("step_part_step_size", "step_size", "step part", mean_sup, 0.5)
STEP_STD = Quantity("step_fluctuation_step_size", "step_size", "std of step part", fluctuation, 0.5)
SUP_STEPS = Quantity("sup_gap_step_size", "step_size", "sup gap, SGD", mean_sup, np.nan)
SUP_DIMS = Quantity("sup_gap_dimension", "dim", "sup gap, SGD", mean_sup, 0.0)
STEP_DIMS = Quantity("step_part_dimension", "dim", "step part", mean_sup, 0.0)
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


def bounds(
    configuration: Configuration,
    neurons: Iterable[int] | None = None,
    step_sizes: Iterable[float] | None = None,
    dims: Iterable[int] | None = None,
    replicas: int | None = None,
    output: str | Path | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> BoundsResult:
    """Sweep N, eps and d about a configuration, fit the exponents of the gaps, and judge each bound.

    Args:
        configuration: the problem, its save times, and the value of every factor that is not swept.
        neurons, step_sizes, dims: values of N, eps and d; None for that of the configuration.
        replicas: runs at every point; None for `sgd.replicas`.
        output: folder in which every run is a file; an existing one is kept unless `force` or `resume`.
        workers: processes of this machine, one thread each; None for one per processor.
        scheduler: address of a dask scheduler whose workers take the runs instead.
        resume: compute only the runs that `output` does not hold.

    Raises:
        ConfigurationError: what cannot be run, or another problem than that of the folder to resume.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    started = monotonic()
    design = make_design(configuration, neurons, step_sizes, dims, replicas)
    folder = None if output is None else Path(output)
    check_folder(folder, configuration, resume=resume, force=force)
    attributes = provenance(configuration)
    with ExitStack() as held:
        if folder is not None:
            prepare_folder(folder, configuration, force=force)
            held.enter_context(reserved(folder / RESULT_NAME))
        sweep = Sweep(configuration, design, Store(folder, attributes), progress)
        status = sweep.complete(default_workers(10**6) if workers is None else workers, scheduler)
        result = replace(
            analyse(design, sweep.curves()),
            status=status,
            message="\n".join(sweep.messages),
            wall_seconds=monotonic() - started,
            attributes=attributes,
        )
        if folder is not None:
            _write(result, folder / RESULT_NAME)
    return result


class Sweep:
    """All runs of a design, and the loop that completes them."""

    def __init__(self, configuration: Configuration, design: Design, store: Store, progress: Progress) -> None:
        self.design, self.store, self.progress = design, store, progress
        self.messages: list[str] = []
        points, replicas = design.points, range(design.replicas)
        self.sgd = {
            point: [RunSpec("sgd", sgd_configuration(configuration, point), replica) for replica in replicas]
            for point in points
        }
        pairs = dict.fromkeys((point.neurons, point.dim) for point in points)
        self.flow = {
            pair: [RunSpec("flow", flow_configuration(configuration, *pair, points), replica) for replica in replicas]
            for pair in pairs
        }
        self.pde = {
            dim: RunSpec("pde", pde_configuration(configuration, dim, points), 0)
            for dim in dict.fromkeys(point.dim for point in points)
        }

    def complete(self, workers: int, scheduler: str | None) -> str:
        """Compute what the store does not hold, and return the status; what fails or is left is told in messages."""
        several = [spec for group in (*self.sgd.values(), *self.flow.values()) for spec in group]
        specs = [*self.pde.values(), *several]
        missing = [spec for spec in specs if not self.store.read(spec)]
        total = sum(spec.cost for spec in missing)
        done = {"cost": 0.0, "count": len(specs) - len(missing)}

        def tell(spec: RunSpec) -> None:
            done["cost"] += spec.cost
            done["count"] += 1
            self.progress(f"run {done['count']} of {len(specs)}", done["cost"] / total)

        def keep(spec: RunSpec, curve: Curve) -> None:
            try:
                self.store.put(spec, curve)
            except OutputError as error:
                raise RunOutputError(str(error)) from None
            tell(spec)

        def fail(spec: RunSpec, reason: str) -> None:
            sgd = spec.configuration.sgd
            where = f"N = {sgd.neurons}, d = {spec.configuration.data.dimension:g}, replica {spec.replica}"
            self.messages.append(f"{spec.kind} at {where}: {reason}")
            tell(spec)

        try:
            self.progress("solving the PDE", 0.0)
            for spec in missing:
                if spec.kind == "pde":
                    try:
                        keep(spec, compute(spec))
                    except ArithmeticError as error:
                        fail(spec, str(error))
            left = [spec for spec in missing if spec.kind != "pde"]
            if left:
                distribute(left, workers, scheduler, keep, fail)
        except KeyboardInterrupt:
            self.messages.append(f"interrupted after {done['count']} of {len(specs)} runs; continue with --resume")
            return "interrupted"
        return "failed" if self.messages else "success"

    def curves(self) -> Curves:
        """What is finished."""
        return Curves(
            {point: _finished(self.store, specs) for point, specs in self.sgd.items()},
            {pair: _finished(self.store, specs) for pair, specs in self.flow.items()},
            {dim: curve for dim, spec in self.pde.items() if (curve := self.store.get(spec)) is not None},
        )


def _finished(store: Store, specs: list[RunSpec]) -> dict[int, Curve]:
    found = ((spec.replica, store.get(spec)) for spec in specs)
    return {replica: curve for replica, curve in found if curve is not None}


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
    parts = (
        (FLUCTUATION, "flow"),
        (BIAS, "flow"),
        (FLOW_GAP, "flow"),
        (SUP_NEURONS, "sup"),
        (STEP_PART, "step"),
        (STEP_STD, "step"),
        (SUP_STEPS, "sup"),
        (STEP_DIMS, "step"),
        (SUP_DIMS, "sup"),
    )
    series: list[Series] = []
    exponents: dict[str, Exponent] = {}
    slopes: dict[str, Array] = {}
    missing: dict[str, str] = {}
    for quantity, part in parts:
        points = sweeps[quantity.factor]
        gaps = [curves.gap(part, point, design.replicas) for point in points]
        present = [gap for gap in gaps if gap is not None]
        exponents[quantity.name] = UNKNOWN
        missing[quantity.name] = _lack(design, quantity.factor, len(points), len(present))
        if len(present) == len(points):
            x = np.array([float(getattr(point, quantity.factor)) for point in points])
            found, slopes[quantity.name] = quantity.along(x, present, bootstrap)
            series.append(found)
            exponents[quantity.name] = found.exponent
            if quantity.signed and not (missing[quantity.name] or np.isfinite(found.exponent.value)):
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


def _write(result: BoundsResult, path: Path) -> None:
    content: dict[str, Any] = {**result.to_json(), "provenance": dict(result.attributes)}
    text = json.dumps(content, allow_nan=False)

    def write(place: Path) -> None:
        place.write_text(text + "\n", encoding="utf-8")

    try:
        write_atomically(path, write)
    except OutputError as error:
        raise RunOutputError(str(error)) from None
