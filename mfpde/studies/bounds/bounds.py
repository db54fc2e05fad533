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

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

from mfpde.errors import OutputError, RunOutputError
from mfpde.experiment import Experiment
from mfpde.results.answers.bounds import BoundsResult
from mfpde.results.files.provenance import provenance
from mfpde.results.reading import SWEEP
from mfpde.shell.files import reserved
from mfpde.shell.workers import default_workers
from mfpde.studies.bounds.analysis import Curves, analyse
from mfpde.studies.bounds.design import Design, flow_configuration, make_design, pde_configuration, sgd_configuration
from mfpde.studies.bounds.folder import check_folder, prepare_folder
from mfpde.studies.bounds.runs import Curve, RunSpec, Store, compute, distribute
from mfpde.studies.run.run import Progress, silent


def bounds(
    configuration: Experiment,
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
            held.enter_context(reserved(folder / SWEEP))
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
            result.save(folder / SWEEP)
    return result


class Sweep:
    """All runs of a design, and the loop that completes them."""

    def __init__(self, configuration: Experiment, design: Design, store: Store, progress: Progress) -> None:
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
