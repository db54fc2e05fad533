"""generalisation: the risk over the law of networks that are trained on P samples, against n, P and lambda.

    R(n, P) - R(infinity, P) ~ C / n,     R(n, P) - R(n, infinity) = O(P^{-1/2}),     R(lambda) - R(0) <= lambda |f*|

(G. M. Rotskoff, E. Vanden-Eijnden, Comm. Pure Appl. Math. 75 (2022) 1889; W. E, C. Ma, L. Wu, Commun. Math. Sci. 17
(2019) 1407). n neurons follow the deterministic gradient flow of the loss on the samples; their risk over the law is in
closed form, as is the flow over the law itself, from the same neurons, that takes the place of P = infinity. The limit
n = infinity has no such run: R(n) - R(2n), which falls as R(n) - R(infinity) does, stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.experiment import Experiment
from mfpde.results.answers.samples.generalisation import GeneralisationResult, Setting
from mfpde.results.files.provenance import provenance
from mfpde.results.reading import GENERALISATION
from mfpde.shell.progress import Progress, silent
from mfpde.shell.workers import Workers
from mfpde.studies.bounds.folder import Kept, swept_folder
from mfpde.studies.bounds.runs import RunSpec, Store
from mfpde.studies.bounds.stored import StoredRuns
from mfpde.studies.generalisation import runs
from mfpde.studies.generalisation.analysis import Risks, analyse
from mfpde.studies.generalisation.design import Design, base_configuration, make_design, run_configuration
from mfpde.studies.generalisation.runs import FlowSpec, Trained

FOLDER = Kept(GENERALISATION, ("samples", "law"), base_configuration)
FINER = 0.01
"""Of the tolerance, in the run beside the first of the largest setting."""


def generalisation(
    source: Source,
    neurons: Iterable[int] | None = None,
    samples: Iterable[int] | None = None,
    strengths: Iterable[float] | None = None,
    batches: int | None = None,
    output: str | Path | None = None,
    *,
    workers: Workers | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> GeneralisationResult:
    """Sweep n, P and lambda about a source, fit the slopes of the risk over the law, and judge each bound.

    Args:
        source: a law that draws samples and tells the exact risk of networks; its `sgd.neurons`, `data.samples`, and
            ridge or penalty stand where a factor is not swept, by a quarter, a half and the whole of them.
        neurons, samples, strengths: values of n, P and lambda, the ridge or the strength of the penalty.
        batches: seeds, counted from `data.sample_seed` and `sgd.seed`; 10 where left out.
        output: folder in which every run is a file; an existing one is kept unless `force` or `resume`.
        workers, scheduler, resume, given: as for `bounds`.

    Raises:
        ConfigurationError: what cannot be run, or another problem than that of the folder to resume.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    configuration = experiment_of(source, **given)
    design = make_design(configuration, neurons, samples, strengths, batches)
    with swept_folder(output, configuration, FOLDER, resume=resume, force=force) as folder:
        return Batches(configuration, design, folder, progress, workers, scheduler).complete()


class Batches(StoredRuns[GeneralisationResult, Trained]):
    """All runs of a design; those that are finished are kept in a folder, if there is one."""

    LESS = "fewer --neurons, --samples or --workers"

    def __init__(
        self,
        configuration: Experiment,
        design: Design,
        folder: Path | None,
        progress: Progress,
        workers: Workers | None,
        scheduler: str | None,
    ) -> None:
        self.design, self.attributes, self._configuration = design, provenance(configuration), configuration
        self.flows = {
            setting: {batch: self._flows("samples", setting, batch) for batch in range(design.batches)}
            for setting in design.settings
        }
        self.laws = {batch: self._flows("law", design.base, batch) for batch in range(design.batches)}
        first = self.flows[design.base][0][0]
        solver = first.configuration.solver
        finer = replace(solver, tolerance=FINER * solver.tolerance)
        self.finer = replace(first, configuration=replace(first.configuration, solver=finer))
        every = [spec for batches in (*self.flows.values(), self.laws) for specs in batches.values() for spec in specs]
        store = Store(folder, self.attributes, Trained)
        super().__init__([*every, self.finer], store, GENERALISATION, progress, workers, scheduler)

    def _flows(self, kind: str, setting: Setting, batch: int) -> list[FlowSpec]:
        """One for each group of the neurons of a batch."""
        run = run_configuration(self._configuration, self.design, setting, batch)
        return [FlowSpec(kind, run, group) for group in range(self.design.total // setting.neurons)]

    @property
    def function(self) -> Callable[[RunSpec], Trained]:
        """The risks of a run."""
        return runs.compute  # type: ignore[return-value]

    def place(self, spec: RunSpec) -> str:
        """The setting, and which batch and group."""
        data, sgd, atoms = spec.configuration.data, spec.configuration.sgd, spec.configuration.solver.atoms
        where = "the law" if spec.kind == "law" else f"P = {data.samples}"  # type: ignore[attr-defined]
        return f"the flow of n = {atoms[0]} on {where}, seed {sgd.seed}, group {spec.replica}"

    def answer(self, status: str, message: str) -> GeneralisationResult:
        """What the finished runs say; a sweep of which a run failed has failed."""
        status, said = self.last_word(status, message)
        found = replace(analyse(self.design, self.risks(), self._configuration), status=status, message=said)
        return replace(found, wall_seconds=self.seconds, attributes=self.attributes)

    def risks(self) -> Risks:
        """What is finished."""
        flows = {setting: self._whole(batches) for setting, batches in self.flows.items()}
        return Risks(flows, self._whole(self.laws), self.store.get(self.flows[self.design.base][0][0]),
                     self.store.get(self.finer))  # fmt: skip

    def _whole(self, batches: dict[int, list[FlowSpec]]) -> dict[int, list[Trained]]:
        """The batches of which every group is finished."""
        found = {batch: [self.store.get(spec) for spec in specs] for batch, specs in batches.items()}
        return {batch: [run for run in each if run is not None] for batch, each in found.items() if None not in each}
