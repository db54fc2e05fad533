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

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.experiment import Experiment
from mfpde.results.answers.bounds import BoundsResult
from mfpde.results.files.provenance import provenance
from mfpde.results.reading import SWEEP
from mfpde.shell.progress import Progress, silent
from mfpde.shell.workers import Workers
from mfpde.solvers.sgd.devices import ensembles_on
from mfpde.studies.bounds import runs
from mfpde.studies.bounds.analysis import Curves, analyse
from mfpde.studies.bounds.design import Design, flow_configuration, make_design, pde_configuration, sgd_configuration
from mfpde.studies.bounds.folder import BOUNDS, swept_folder
from mfpde.studies.bounds.runs import Curve, RunSpec, Store
from mfpde.studies.bounds.stored import StoredRuns


def bounds(
    source: Source,
    neurons: Iterable[int] | None = None,
    step_sizes: Iterable[float] | None = None,
    dims: Iterable[int] | None = None,
    replicas: int | None = None,
    output: str | Path | None = None,
    *,
    workers: Workers | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> BoundsResult:
    """Sweep N, eps and d about a source, fit the exponents of the gaps, and judge each bound.

    Args:
        source: the problem, its save times, and the value of every factor that is not swept: a preset's name, the path
            of a TOML file, an experiment, or a problem made in Python.
        neurons, step_sizes, dims: values of N, eps and d; None for that of the source.
        replicas: runs at every point; None for `sgd.replicas`.
        output: folder in which every run is a file; an existing one is kept unless `force` or `resume`.
        workers: processes of this machine, one thread each, None for one per processor; or an executor.
        scheduler: address of a dask scheduler whose workers take the runs instead.
        resume: compute only the runs that `output` does not hold.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: what cannot be run, or another problem than that of the folder to resume.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    configuration = experiment_of(source, **given)
    design = make_design(configuration, neurons, step_sizes, dims, replicas, 1 if scheduler else workers)
    with swept_folder(output, configuration, BOUNDS, resume=resume, force=force) as folder:
        return Sweep(configuration, design, folder, progress, workers, scheduler).complete()


class Sweep(StoredRuns[BoundsResult, Curve]):
    """All runs of a design; those that are finished are kept in a folder, if there is one."""

    LESS = "fewer --neurons, --dims or --workers"

    def __init__(
        self,
        configuration: Experiment,
        design: Design,
        folder: Path | None,
        progress: Progress,
        workers: Workers | None,
        scheduler: str | None,
    ) -> None:
        self.design, self.attributes = design, provenance(configuration)
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
        several = [spec for group in (*self.sgd.values(), *self.flow.values()) for spec in group]
        store = Store(folder, self.attributes, Curve)
        super().__init__([*self.pde.values(), *several], store, SWEEP, progress, workers, scheduler)

    def work(self) -> None:
        """The PDE here, on all threads, and SGD where one process makes the steps of all; then all other runs."""
        self.progress("solving the PDE", 0.0)
        for spec in [spec for spec in self._left if spec.kind == "pde"]:
            try:
                self.keep(spec, self.function(spec))
            except ArithmeticError as error:
                self.fail(spec, error)
        for specs in self.sgd.values():
            left = [spec for spec in specs if spec in self._left and _alone(spec)]
            if left:
                self._side_by_side(left)
        super().work()

    def _side_by_side(self, specs: list[RunSpec]) -> None:
        """Runs of one point at once; one by one where one of them breaks down."""
        try:
            curves = runs.together(specs)
        except ArithmeticError:
            for spec in specs:
                try:
                    self.keep(spec, self.function(spec))
                except ArithmeticError as error:
                    self.fail(spec, error)
            return
        for spec, curve in zip(specs, curves, strict=True):
            self.keep(spec, curve)

    @property
    def function(self) -> Callable[[RunSpec], Curve]:
        """The risk curve of a run."""
        return runs.compute

    def place(self, spec: RunSpec) -> str:
        """The point and the replica."""
        sgd = spec.configuration.sgd
        return f"{spec.kind} at N = {sgd.neurons}, d = {spec.configuration.data.dimension:g}, replica {spec.replica}"

    def answer(self, status: str, message: str) -> BoundsResult:
        """What the finished runs say; a sweep of which a run failed has failed."""
        status, said = self.last_word(status, message)
        found = replace(analyse(self.design, self.curves()), status=status, message=said)
        return replace(found, wall_seconds=self.seconds, attributes=self.attributes)

    def curves(self) -> Curves:
        """What is finished."""
        return Curves(
            {point: _finished(self.store, specs) for point, specs in self.sgd.items()},
            {pair: _finished(self.store, specs) for pair, specs in self.flow.items()},
            {dim: curve for dim, spec in self.pde.items() if (curve := self.store.get(spec)) is not None},
        )


def _alone(spec: RunSpec) -> bool:
    return ensembles_on(spec.configuration.sgd.device).alone


def _finished(store: Store[Curve], specs: list[RunSpec]) -> dict[int, Curve]:
    curves = ((spec.replica, store.get(spec)) for spec in specs)
    return {replica: curve for replica, curve in curves if curve is not None}
