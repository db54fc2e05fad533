"""Free mass from the keys to the file: every scheme that serves it tells one law, and what does not is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from mfpde import solve
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.laws.gaussian_bumps import BumpInitial, GaussianBumps
from mfpde.problem.marginals import Normal
from mfpde.problem.problem import Problem
from mfpde.results.answers.solve import SolveResult
from mfpde.results.reading import load
from mfpde.schemes.solver import Solver
from mfpde.solvers.flow.flow import Flow
from mfpde.studies.kernel.kernel import kernel
from mfpde.studies.optimum.optimum import optimum
from mfpde.studies.sgd.replicas import sgd
from mfpde.studies.stationary.stationary import stationary
from mfpde.tables.dynamics import Dynamics
from mfpde.tables.time import Time

BUMPS = GaussianBumps(centres=(-1.0, 1.0), width=1.0)
FREE = Dynamics(mass="free", growth=3.0)


def experiment(**parts: object) -> Experiment:
    whole = {
        "data": BUMPS,
        "initial": BumpInitial(position=Normal(0.0, 1.0)),
        "dynamics": FREE,
        "time": Time(end=0.5, save=2),
        "solver": Solver(scheme="characteristics"),
        **parts,
    }
    return Experiment(**whole)  # type: ignore[arg-type]


def messages(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(tomllib.loads(f'[data]\nlaw = "gaussian-bumps"\n[network]\n[dynamics]\n{text}'))
    return "\n".join(caught.value.messages)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["finite-volume", "jko", "particles"])
def test_every_scheme_tells_one_law(scheme: str) -> None:
    exact = solve(experiment())
    options = (("cells", (128,)),) if scheme == "finite-volume" else ()
    found = solve(experiment(solver=Solver(scheme=scheme, step=0.1 if scheme == "jko" else None, options=options)))
    assert found.status == "success"
    assert np.all(np.abs(found.risk - exact.risk) <= 3.0 * (found.risk_error + exact.risk_error))
    if scheme != "particles":
        np.testing.assert_allclose(found.mass, exact.mass, rtol=2e-4)
    assert found.mass[-1] < 0.998
    if scheme != "particles":
        assert found.balance[-1] <= 1e-4 * (found.free_energy[0] - found.free_energy[-1])


def test_files_and_words_tell_the_mass(tmp_path: Path) -> None:
    result = solve(experiment(), tmp_path / "run.nc")
    again = load(tmp_path / "run.nc")
    assert isinstance(again, SolveResult)
    np.testing.assert_array_equal(again.mass, result.mass)
    assert again.mass[-1] == pytest.approx(again.law().mass, rel=1e-12)
    assert "mass" in result.table().splitlines()[0]
    assert "mass_plus" not in result.to_json()


def test_keys_come_back_from_their_text() -> None:
    given = experiment()
    assert parse(tomllib.loads(to_toml(given))).dynamics == FREE
    assert experiment(dynamics=Dynamics(mass="free")).dynamics.as_flow().growth == 1.0
    assert Dynamics().as_flow(implied=2.0).growth == 2.0
    assert Dynamics(growth=0.5).as_flow(implied=2.0).growth == 0.5
    assert Dynamics().as_flow().growth is None


def test_points_are_not_normalised_where_mass_is_free(tmp_path: Path) -> None:
    (tmp_path / "start.csv").write_text("z,weight\n-0.5,0.25\n0.5,0.5\n")
    text = f'[data]\nlaw = "gaussian-bumps"\n[network]\n[initial]\npoints = "{tmp_path}/start.csv"\n[dynamics]\n'
    masses = [solve(parse(tomllib.loads(text + more + "[time]\nend = 0.1\nsave = 2\n"))).mass for more in ("", FREED)]
    assert masses[0][0] == pytest.approx(1.0, rel=1e-14)
    assert masses[1][0] == pytest.approx(0.75, rel=1e-14)


FREED = 'mass = "free"\n'


def test_what_free_mass_takes_the_place_of_is_refused() -> None:
    assert "fisher_rao_rate" in messages('mass = "free"\nfisher_rao_rate = 1.0\nflow = "wasserstein-fisher-rao"')
    assert 'write mass = "free"' in messages("growth = 2.0")
    assert "no noise is defined" in messages('mass = "free"\ninverse_temperature = 5.0\nridge = 1.0')
    assert "growth" in messages('mass = "free"\ngrowth = -1.0')


def test_questions_of_probability_laws_are_refused() -> None:
    for ask in (stationary, optimum, kernel):
        with pytest.raises(ConfigurationError, match='asked of probability laws only; write mass = "probability"'):
            ask(experiment())
    with pytest.raises(ConfigurationError, match="SGD is asked of probability laws only"):
        sgd(Experiment(dynamics=FREE))


def test_a_problem_made_in_python_has_free_mass() -> None:
    problem = Problem(BUMPS, initial=BumpInitial(position=Normal(0.0, 1.0)), flow=Flow(growth=3.0))
    found = solve(problem, end=0.5, save=2, scheme="characteristics")
    np.testing.assert_allclose(found.mass, solve(experiment()).mass, rtol=1e-12)
