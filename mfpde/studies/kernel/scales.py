"""Runs of the equation at finite output scales, which come to the kernel limit as these grow."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import differing_keys, to_toml
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.kernel import KernelLimit
from mfpde.results.reading import load
from mfpde.schemes.choice import on_oracle
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.arrays import Array
from mfpde.studies.kernel.limit import kernel_modes
from mfpde.studies.kernel.regression import with_regressions
from mfpde.studies.run.campaign import Campaign
from mfpde.studies.run.output import refuse_missing
from mfpde.studies.run.refusals import refuse_unsupported
from mfpde.studies.solve import solve

REMEDY = "name another file with -o, or replace this one with --force"


def at_scale(configuration: Experiment, scale: float) -> Experiment:
    """The experiment with outputs of another scale, on the scheme that is trusted most."""
    network, problem = replace(configuration.network, scale=scale), configuration.problem
    made = None if problem is None else replace(problem, network=network)
    return on_oracle(replace(configuration, network=network, problem=made), configuration.solver.tolerance)


def refuse_scales(configuration: Experiment, scales: Sequence[float]) -> None:
    """Raise ConfigurationError where no run can be made."""
    for scale in scales:
        refuse_unsupported(at_scale(configuration, scale))


def kernel_limit(configuration: Experiment, progress: Progress = silent, ridges: Iterable[float] = ()) -> KernelLimit:
    """The limit alone, at the save times of an experiment, with regressions under these ridges on a data set."""
    progress("kernel of rho_0", 0.0)
    problem, times = build_problem(configuration), configuration.time.save_times
    flow_times = np.array([problem.flow.schedule.flow_time(time) for time in times])
    modes = with_regressions(kernel_modes(problem, flow_times), problem, flow_times, ridges)
    return KernelLimit(np.array(times), modes)


class ScaledRuns(Campaign[KernelLimit]):
    """The limit, and the runs beside it.

    Args:
        scales: alpha of the runs; those of a file that is gone on from join them.
        ridges: of the regressions on a data set.
    """

    PIECES = "runs at finite scales"
    FAILURES = (ArithmeticError,)

    def __init__(
        self,
        configuration: Experiment,
        scales: Iterable[float],
        path: Path | None,
        progress: Progress,
        ridges: Iterable[float] = (),
    ) -> None:
        super().__init__(path, progress)
        self.ridges = tuple(ridges)
        self.configuration, self.scales = configuration, set(scales)
        self.limit: KernelLimit | None = None
        self.runs: dict[float, tuple[Array, Array]] = {}

    def restore(self, path: Path) -> None:
        """Keep the limit and the runs of a file.

        Raises:
            ResultFileError: it is missing, damaged or foreign.
            ConfigurationError: it is of another problem.
        """
        refuse_missing(path)
        earlier = load(path)
        if not isinstance(earlier, KernelLimit) or not earlier.configuration:
            raise ResultFileError(f"{path}: no result of `mfpde kernel` that can be gone on from; {REMEDY}")
        different = differing_keys(parse(tomllib.loads(earlier.configuration)), self.configuration)
        if different:
            words = f"the limit of another problem, which differs in {', '.join(different)}"
            raise ConfigurationError([f"{path}: holds {words}; resume with the same values, or {REMEDY}"])
        if not earlier.sound(self.configuration.time.save_times):
            raise ResultFileError(f"{path}: holds risks that are none; {REMEDY}")
        self.limit = replace(earlier, scales=None, scale_risk=None, scale_error=None, slope=None)
        self.runs = dict(earlier.runs())
        self.scales |= self.runs.keys()

    def work(self) -> None:
        """The limit first; then the scales that are not there, increasing."""
        if self.limit is None:
            self.limit = kernel_limit(self.configuration, self.progress, self.ridges)
        for scale in sorted(self.scales - self.runs.keys()):
            self.checkpoint(piece=True)
            self._run(scale)

    def _run(self, scale: float) -> None:
        assert self.limit is not None

        def tell(text: str, fraction: float) -> None:
            self.progress(f"scale {scale:g}: {text}", (len(self.runs) + fraction) / len(self.scales))

        found = solve(at_scale(self.configuration, scale), progress=tell)
        if found.status == "interrupted":
            raise KeyboardInterrupt
        if found.status != "success":
            raise ArithmeticError(f"the run at network.scale = {scale:g} failed at {found.message}")
        self.limit = replace(self.limit, notes=(f"the runs at finite scales are by {found.scheme}",))
        self.runs[scale] = found.risk, found.risk_error

    def done(self) -> tuple[int, int]:
        """Runs."""
        return len(self.runs), len(self.scales)

    def interruption(self) -> str:
        """After how many runs; raised on before there is the limit."""
        if self.limit is None:
            raise KeyboardInterrupt
        return super().interruption()

    def failure(self, error: Exception) -> str:
        """Of which run; raised on before there is the limit."""
        if self.limit is None:
            raise error
        return str(error)

    def answer(self, status: str, message: str) -> KernelLimit:
        """The limit with the runs that are there."""
        assert self.limit is not None
        limit = replace(self.limit, configuration=to_toml(self.configuration), status=status, message=message)
        return limit.beside(self.runs) if self.runs else limit
