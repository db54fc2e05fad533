"""The populations that tell the error of particles are drawn apart from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.particles.populations import POPULATIONS, Populations


@pytest.mark.parametrize(("count", "few"), [(1, 2), (12, 1), (80, 10)])
def test_no_population_shares_a_draw_with_another(count: int, few: int) -> None:
    settings = [f"solver.atoms={count}", "solver.tolerance=1e-2", "time.end=0.01", "time.save=2"]
    configuration = load_configuration("bumps-good", settings)
    pair = make_pair(build_problem(configuration), configuration)
    assert isinstance(pair.main, ParticleProcess)
    assert isinstance(pair.companion, Populations)
    beside = [process for process in pair.companion.processes if isinstance(process, ParticleProcess)]
    each = [pair.main, *beside]
    assert [len(process.particles) for process in each] == [count] + [few] * POPULATIONS
    assert len({process.key for process in each}) == 1 + POPULATIONS
    places = np.concatenate([process.particles[:, 0] for process in each])
    assert len(np.unique(places)) == len(places)


@pytest.mark.parametrize("flow", [{}, {"mass": "free", "growth": 2.0}])
def test_atoms_that_are_given_are_the_law_and_nothing_is_estimated_from_draws(
    tmp_path: Path, flow: dict[str, object]
) -> None:
    """Under V = z^2/2 alone, a unit that is 0, atoms move like exp(-t) and free masses shrink at the rate z^2."""
    start = tmp_path / "start.csv"
    start.write_text("w1,weight\n-1.0,1.0\n0.5,3.0\n", "utf-8")
    tables: dict[str, dict[str, object]] = {
        "data": {"law": "dataset", "points": [[1.0], [2.0]], "values": [1.0, -1.0]},
        "network": {"activation": {"knots": [0.0, 1.0], "values": [0.0, 0.0]}},
        "initial": {"points": str(start)},
        "dynamics": {"ridge": 1.0, **flow},
        "time": {"end": 1.0, "save": [0.0, 1.0]},
        "solver": {"scheme": "particles"},
    }
    answer = mfpde.solve(parse(tables))
    z, t = np.array([-1.0, 0.5]), 1.0
    shrunk = np.exp(-0.5 * z**2 * (1.0 - np.exp(-2.0 * t)))
    # free masses are those of the file
    masses = np.array([1.0, 3.0]) * (shrunk if flow else 0.25)
    exact = 1.0 + masses @ (z * np.exp(-t)) ** 2
    assert answer.free_energy_error[-1] < 1e-4
    assert answer.dissipation_error[0] > 0.0
    assert abs(answer.free_energy[-1] - exact) <= 3.0 * answer.free_energy_error[-1]
