"""The populations that tell the error of particles are drawn apart from them."""

from __future__ import annotations

import numpy as np
import pytest

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
