"""ending: where a run ends. The clusters of its last law, how far that is from rest, and the nearest stationary law.

The law counts as at rest where it would move by less than a thousandth of its size if it went on for as long as it has
run, or where its clusters are that near to a stable law, and no unstable law is near: by a metastable plateau the flow
is slow, and yet leaves.
"""

from __future__ import annotations

import math
from pathlib import Path

from mfpde.errors import ConfigurationError
from mfpde.results.answers.ending import Cluster, Ending
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.results.reading import load_run
from mfpde.results.words import excess
from mfpde.shell.progress import Progress, silent
from mfpde.studies.distance import distance_to_atoms
from mfpde.studies.ending.clusters import clusters, gathered_in
from mfpde.studies.ending.law import RunEnd, motion, run_end
from mfpde.studies.ending.noise import near_gibbs
from mfpde.studies.ending.search import chosen_radius, laws_on_box, nearest_law
from mfpde.studies.ending.words import FinalState, moved, resting, statements
from mfpde.studies.optimum.gibbs import gibbs_optimum
from mfpde.studies.run.output import kept, output_file


def ending(
    run: str | Path | SolveResult | SgdResult,
    radius: float | None = None,
    name: str | None = None,
    *,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Ending:
    """Where a run of `solve` or `sgd` ends; replicas of SGD are taken together, as samples of one law.

    Args:
        run: the result, or its file.
        radius: R of the box 0 <= r_j <= R, -R <= a, b <= R; None for 10, or 20, 40, ... where the law is larger.
        name: what the run is called; its path, where it is a file.
        output: JSON file; an existing one is kept unless `force`.

    Raises:
        ConfigurationError: a law outside the box, a flow without transport, a frozen random coordinate.
        ResultFileError: no result, or one without a law yet.
        ArithmeticError: the optimum was not found.
        OutputError: `output` cannot be written.
    """
    with output_file(output, force=force, kind="OUT.json", resumable=False) as path:
        return kept(_ending(run, radius, name), path)


def _ending(run: str | Path | SolveResult | SgdResult, radius: float | None, name: str | None) -> Ending:
    result = load_run(run) if isinstance(run, str | Path) else run
    called = name or (str(run) if isinstance(run, str | Path) else "the run")
    last = run_end(result, called)
    heaps = clusters(last.pieces, last.size, last.sampled)
    if math.isfinite(last.configuration.dynamics.inverse_temperature):
        return _with_noise(called, last, heaps, radius)
    return _without_noise(called, last, heaps, chosen_radius(last.pieces, radius, last.names))


def _without_noise(run: str, last: RunEnd, heaps: tuple[Cluster, ...], radius: float) -> Ending:
    known = laws_on_box(last.configuration, radius)
    best = known.classifier.optimum
    moving = motion(known.classifier.by_features, last.pieces)
    nearest = nearest_law(known, last.pieces, heaps, last.size)
    apart = math.inf
    if nearest is not None and heaps:
        apart = distance_to_atoms(gathered_in(last.pieces, heaps), nearest[0].positions, nearest[0].masses)
    energy = last.free_energy
    if math.isnan(energy):
        held = known.classifier.landscape.confinement
        square = float((last.mean**2 + last.variance) @ held.ridge)
        energy = last.risk + square + held.without_ridge.energy(last.pieces.centres, last.pieces.masses)
    final = FinalState(
        last=last,
        moving=moving,
        clusters=heaps,
        path=moved(moving.dissipation, last),
        nearest=nearest,
        apart=apart,
        best=best,
        gap=excess(energy, best.free_energy),
        rounding=known.classifier.feature_error,
        searched=known.words,
    )
    return Ending(
        run=run,
        names=last.names,
        time=last.time,
        risk=last.risk,
        free_energy=energy,
        dissipation=moving.dissipation,
        speed=moving.speed,
        at_rest=final.at_rest,
        clusters=heaps,
        dust=_dust(heaps),
        nearest=None if nearest is None else nearest[0],
        distance=math.nan if nearest is None else nearest[1],
        near=final.near,
        optimum=best,
        gap_to_optimum=final.gap,
        statements=statements(final),
    )


def _with_noise(run: str, last: RunEnd, heaps: tuple[Cluster, ...], radius: float | None) -> Ending:
    if last.configuration.dynamics.flow == "fisher-rao":
        problem = 'dynamics.flow: "fisher-rao"; births alone do not reach the Gibbs law'
        raise ConfigurationError([f'{problem}, write "wasserstein" or "wasserstein-fisher-rao"'])
    best = gibbs_optimum(last.configuration, radius)
    nearest = near_gibbs(last, best)
    path = moved(last.dissipation, last)
    known = not math.isnan(path)
    words = [f"with noise the only stationary law is the Gibbs law: {nearest.note}"]
    if known:
        state = "at rest" if resting(path, last.size) else "still moving"
        words.insert(0, f"{state}: D = {last.dissipation:.3g}")
    return Ending(
        run=run,
        names=last.names,
        time=last.time,
        risk=last.risk,
        free_energy=last.free_energy,
        dissipation=last.dissipation,
        speed=math.nan,
        at_rest=resting(path, last.size) if known else None,
        clusters=heaps,
        dust=_dust(heaps),
        nearest=nearest,
        distance=math.nan,
        near=False,
        optimum=best,
        gap_to_optimum=excess(last.free_energy, best.free_energy),
        statements=(*words, *last.words),
    )


def _dust(heaps: tuple[Cluster, ...]) -> float:
    return max(1.0 - math.fsum(cluster.weight for cluster in heaps), 0.0)
