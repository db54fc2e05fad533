"""rates: minimal norms of data, the path norm of a run, the Monte-Carlo constant, and slopes of random features.

F. Bach, Breaking the curse of dimensionality with convex neural networks, JMLR 18 (2017) 1; W. E, C. Ma, L. Wu, A
priori estimates of the population risk for two-layer neural networks, Commun. Math. Sci. 17 (2019) 1407.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.samples.rates import MonteCarlo, RandomFeatures, Rates
from mfpde.results.answers.solve import SolveResult
from mfpde.results.reading import load_run
from mfpde.shell.progress import Progress, silent
from mfpde.studies.rates import features, monte_carlo, norms
from mfpde.studies.run.arithmetic import strict_arithmetic
from mfpde.studies.run.output import configuration_of, kept, output_file

NEURONS, REPLICAS = (16, 32, 64, 128), 40
DATA = "Omega_data <= H_data"
PATH = "path norm >= variation norm of what was learned"
CONSTANT = "N E|f_N - f|^2 is the Monte-Carlo constant"
SLOPE = "random features fall as n^(-3/(d-1))"
TRAINED = "trained features are within the Monte-Carlo constant over n"


def rates(
    source: Source | None = None,
    run: str | Path | SolveResult | None = None,
    *,
    neurons: Sequence[int] | None = None,
    replicas: int | None = None,
    norm: str = "l2",
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> Rates:
    """What norms and rates a problem has; what it does not have is None, with the reason among the notes.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        run: a result of `solve` in place of it, whose path norm is told beside the norms of its data.
        neurons, replicas: of the networks and features that are drawn, 16 to 128 and 40 where left out.
        norm: "l2" or "l1", of w in the path norm.
        output: JSON file; an existing one is kept unless `force`.

    Raises:
        ConfigurationError: neither or both of source and run, or a problem that has none of it.
        OutputError: `output` cannot be written.
    """
    result = load_run(run) if isinstance(run, str | Path) else run
    refuse(source is not None, run is not None, result, norm)
    if isinstance(result, SolveResult):
        experiment = configuration_of(result, str(run) if isinstance(run, str | Path) else "the run")
    else:
        assert source is not None
        experiment = experiment_of(source, **given)
    with output_file(output, force=force, kind="OUT.json", resumable=False) as path, strict_arithmetic():
        return kept(
            _rates(experiment, result, sorted(set(neurons or NEURONS)), replicas or REPLICAS, norm, progress), path
        )


def refuse(named: bool, asked: bool, run: Any, norm: str) -> None:
    """Raise ConfigurationError unless there is one source, and a norm that is known."""
    messages = []
    if named == asked:
        messages.append("name a problem, `mfpde rates SOURCE`, or a run, `mfpde rates --from RUN.nc`, one of them")
    if run is not None and not isinstance(run, SolveResult):
        messages.append("--from: is no run of `mfpde solve`; write a file that its -o made")
    if norm not in norms.NORMS:
        messages.append(f"--norm {norm}: is none; write one of {', '.join(norms.NORMS)}")
    raise_mistakes(messages)


def _rates(experiment: Experiment, run: Any, neurons: list[int], replicas: int, norm: str, progress: Progress) -> Rates:
    problem, verdicts, notes = build_problem(experiment), dict[str, str](), norms.refusals(build_problem(experiment))
    data = path = None
    if not notes:
        progress("norms of the data", 0.0)
        data = norms.data_norms(problem)
        verdicts[DATA] = norms.judged(data)
        if isinstance(run, SolveResult):
            row = len(run.time) - 1
            path = norms.path_norm(problem, run.law_at(row), float(run.time[row]), norm)
            verdicts[PATH] = norms.path_judged(path)
    progress("networks and features that are drawn", 0.3)
    constant = monte_carlo.monte_carlo(experiment, neurons, replicas)
    drawn = features.random_features(experiment, neurons, replicas)
    if isinstance(constant, MonteCarlo):
        verdicts[CONSTANT] = monte_carlo.judged(constant)
    if isinstance(drawn, RandomFeatures):
        verdicts[SLOPE] = features.judged(drawn)
        if isinstance(constant, MonteCarlo):
            verdicts[TRAINED] = features.trained_judged(drawn, constant.constant)
    notes += [each for each in (constant, drawn) if isinstance(each, str)]
    if data is None and not isinstance(constant, MonteCarlo) and not isinstance(drawn, RandomFeatures):
        raise ConfigurationError(notes, experiment)
    return Rates(
        data,
        path,
        constant if isinstance(constant, MonteCarlo) else None,
        drawn if isinstance(drawn, RandomFeatures) else None,
        verdicts,
        tuple(notes),
    )
