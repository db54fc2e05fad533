"""predict: the outputs f(x; rho_t) of a recorded law at the inputs of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.keys.samples import Samples, read_samples
from mfpde.problem.laws.interface import DataLaw
from mfpde.problem.problem import build_problem
from mfpde.results.answers.plain.predict import Predictions
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.results.reading import load
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms, Measure
from mfpde.studies.run.output import configuration_of


def predict(
    run: str | Path | SolveResult | SgdResult,
    data: str | Path,
    time: float | None = None,
    *,
    progress: Progress = silent,
) -> Predictions:
    """f at the rows of a CSV or NPZ file, and their risk where they have targets.

    Args:
        run: what `solve` or `sgd` returned, or a file of it.
        data: x1, ..., xd or x, optionally y and weight.
        time: a save time, the last one by default.

    Raises:
        ConfigurationError: the file of inputs, or a data law that does not tell f from what is kept of a neuron,
            or another time.
        ResultFileError: the file of the run.
    """
    found = load(run) if isinstance(run, str | Path) else run
    errors: list[str] = []
    if not isinstance(found, SolveResult | SgdResult):
        errors.append(f"{run}: is no run; write a file that `mfpde solve -o` or `mfpde sgd -o` made")
    rows = read_rows(data, errors)
    assert isinstance(found, SolveResult | SgdResult)
    try:
        law, at = _law_of(found, time)
    except ValueError as error:
        raise ConfigurationError([str(error)]) from None
    problem = build_problem(configuration_of(found, str(run)))
    x = inputs_of(problem.data, rows, str(data))
    outputs = problem.predict(law, x)
    worth = problem.data.worth(rows.y, rows.weights / rows.weights.sum(), outputs) if rows.labelled else {}
    return Predictions(at, outputs, **worth)


def read_rows(data: str | Path, errors: list[str]) -> Samples:
    """The rows of a file of inputs; raises ConfigurationError with every mistake in it, and these errors."""
    rows = read_samples(Path(data).absolute(), errors, labelled=False)
    raise_mistakes(errors)
    assert rows is not None
    return rows


def inputs_of(law: DataLaw, rows: Samples, where: str) -> Array:
    """What the network takes of the rows of a file; raises ConfigurationError."""
    try:
        x = law.inputs_of(rows)
    except ValueError as error:
        raise ConfigurationError([f"{where}: {error}; write a row for each x"]) from None
    if x.shape[1] != law.dimension:
        raise_mistakes([f"{where}: {x.shape[1]} columns of x; write x1, ..., x{law.dimension:g}"])
    return x


def _law_of(run: SolveResult | SgdResult, time: float | None) -> tuple[Measure, float]:
    """The law at a save time; of SGD that of all replicas' neurons together."""
    if isinstance(run, SolveResult):
        row = run.row(time)
        return run.law_at(row), float(run.time[row])
    row = len(run.time) - 1 if time is None else int(np.argmin(np.abs(run.time - time)))
    points = run.position[:, row].reshape(-1, run.position.shape[-1])
    return Atoms(points, np.full(len(points), 1.0 / len(points))), float(run.time[row])
