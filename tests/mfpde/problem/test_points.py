"""Starts of given atoms: every scheme carries them, row i is neuron i, mistakes in the file are told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import differing_keys, to_tables
from mfpde.errors import ConfigurationError
from mfpde.problem.problem import build_problem
from mfpde.studies.sgd.networks import build_sgd, first_state
from mfpde.studies.sgd.refusals import refuse
from mfpde.studies.solve import solve

REDUCED = "r1, a, weight\n0.5, 1, 2\n0.8, -1, 1\n\n0.9, 0.5, 1\n"
WHOLE = "w3,w1,w2,a\n" + "".join(f"{3.0 * i},{i},{2.0 * i},1\n" for i in (1, 2))


def tables(path: Path, dimension: int = 40) -> dict[str, Any]:
    return {
        "data": {"dims": [dimension]},
        "network": {"coefficients": "trained"},
        "initial": {"points": str(path)},
        "time": {"end": 0.5, "save": [0.0, 0.5]},
    }


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "start.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("scheme", ["characteristics", "jko"])
def test_atoms_keep_their_weights_and_start_where_they_are_put(scheme: str, tmp_path: Path) -> None:
    found = solve(parse(tables(written(tmp_path, REDUCED))), scheme=scheme)
    start, end = found.law(0.0), found.law(0.5)
    order = np.argsort(start.points[:, 0])
    assert_array_equal(start.points[order], [[0.5, 1.0], [0.8, -1.0], [0.9, 0.5]])
    for law in (start, end):
        assert_allclose(np.sort(law.weights), [0.25, 0.25, 0.5], rtol=1e-14)
    assert abs(found.risk[-1] - solve(parse(tables(tmp_path / "start.csv"))).risk[-1]) < 3.0 * found.risk_error[-1]


def test_a_grid_smears_them_about_their_places(tmp_path: Path) -> None:
    law = build_problem(parse(tables(written(tmp_path, REDUCED)))).initial_law
    mean, deviation = law.moments
    assert_allclose(mean, [0.675, 0.375], rtol=1e-14)
    assert_allclose(deviation[1] ** 2, 0.25 * (2.0 + 1.0 + 0.25) - 0.375**2, rtol=1e-13)
    assert law.spread == 0
    assert law.atomic.all()


def test_row_i_is_neuron_i_and_whole_rows_are_reduced(tmp_path: Path) -> None:
    """|w| = (1 + 4 + 9)^(1/2) i of the rows i (1, 2, 3), whose columns may come in any order; SGD takes w itself."""
    experiment = parse(tables(written(tmp_path, WHOLE), 3))
    assert experiment.sgd.neurons == 2
    problem = build_problem(experiment)
    assert_allclose(problem.initial_law.sample(50, 0)[:, 0].max(), 2.0 * np.sqrt(14.0), rtol=1e-15)
    state = first_state(experiment, problem, build_sgd(experiment, 3))
    assert_array_equal(state.w, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    twice = parse({**tables(tmp_path / "start.csv", 3), "sgd": {"neurons": 4}})
    assert_array_equal(first_state(twice, problem, build_sgd(twice, 0)).w[2:], state.w)
    with pytest.raises(ConfigurationError, match=r"3 neurons for the 2 rows of initial\.points; write 2 or a multiple"):
        refuse(parse({**tables(tmp_path / "start.csv", 3), "sgd": {"neurons": 3, "step_size": 0.1}}))
    with pytest.raises(ConfigurationError, match=r"sgd\.state: the neurons of initial\.points are whole"):
        refuse(parse({**tables(tmp_path / "start.csv", 3), "sgd": {"state": "gram", "step_size": 0.1}}))


def test_neurons_of_unequal_weights_are_as_many_as_rows(tmp_path: Path) -> None:
    whole = tables(written(tmp_path, REDUCED))
    refuse(parse({**whole, "sgd": {"step_size": 0.1}}))
    with pytest.raises(ConfigurationError, match=r"6 neurons for the 3 rows of initial\.points, whose weights differ"):
        refuse(parse({**whole, "sgd": {"neurons": 6, "step_size": 0.1}}))
    births = {**whole, "dynamics": {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0}}
    with pytest.raises(ConfigurationError, match="particles that are born and die weigh alike"):
        solve(parse(births), scheme="particles")


def test_weighted_particles_are_the_flow_of_the_weighted_law(tmp_path: Path) -> None:
    """Without noise the law of three weighted atoms is carried exactly."""
    whole = tables(written(tmp_path, REDUCED))
    exact = solve(parse(whole), scheme="characteristics", tolerance=1e-9)
    found = solve(parse(whole), scheme="particles", tolerance=1e-8)
    law, other = exact.law(0.5), found.law(0.5)
    assert_allclose(other.weights, [0.5, 0.25, 0.25], rtol=1e-14)
    assert_allclose(found.risk, exact.risk, atol=1e-7)
    assert_allclose(np.sort(other.points[:, 0]), np.sort(law.points[:, 0]), atol=1e-6)


def test_particles_start_from_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "r1,a\n" + "".join(f"0.5,{0.1 * i}\n" for i in range(64)))
    found = solve(parse(tables(path)), scheme="particles", end=1e-3, save=2)
    assert_allclose(np.sort(found.law(0.0).points[:, 1]), 0.1 * np.arange(64), rtol=1e-14)


def test_paths_are_taken_from_the_folder_of_the_file_and_content_is_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    written(folder, REDUCED)
    text = '[data]\ndims = [40]\n[network]\ncoefficients = "trained"\n[initial]\npoints = "start.csv"\n'
    (folder / "run.toml").write_text(text)
    there = load_configuration(folder / "run.toml")
    written(tmp_path, REDUCED)
    monkeypatch.chdir(tmp_path)
    here = load_configuration("isotropic-gaussians", ["initial.points=start.csv", "network.coefficients=trained"])
    assert "initial.points" not in differing_keys(there, here)
    again = parse(to_tables(there))
    assert again == there
    written(folder, REDUCED.replace("0.5, 1, 2", "0.5, 1, 3"))
    changed = load_configuration(folder / "run.toml")
    assert differing_keys(there, changed) == ("initial.points",)
    with pytest.raises(ConfigurationError, match="has changed since"):
        parse(to_tables(there))


REFUSED: list[tuple[str | bytes, list[str]]] = [
    ("", ["is empty"]),
    ("\n \n", ["is empty"]),
    (b"r1,a\n\xff,1\n", ["byte 5 is not UTF-8"]),
    (b"r1,a\n0.5,1\n" + b"9" * 200_000, ["is no CSV file"]),
    ("r1,a\n", ["has no rows"]),
    ("r1\n0.5\n", ["lacks the column a"]),
    ("r2,a,r1,a\n1,2,3,4\n", ["unknown column r2", 'the column "a" is there twice']),
    ("r1,a,b\n0.5,1,1\n", ["unknown column b; leave it out: the columns are r1, a and weight"]),
    ("r1,a\n0.5,one\n0.7,nan\n1\n", ['row 1, a: "one" is not a number', 'row 2, a: "nan"', "row 3 has 1 cells for 2"]),
    ("r1,a\n-0.5,1\n", ["r1: a number lies outside a radius; write numbers from 0 on"]),
    ("r1,a,weight\n0.5,1,-1\n0.5,1,2\n", ["weight: must be >= 0"]),
    ("r1,a,weight\n0.5,1,0\n", ["weight: must be >= 0, and not 0 everywhere"]),
    ("w1,w2,a\n0.5,1,0\n", ["lacks the column w3"]),
    ("x,y\n1,2\n", ["lacks the columns r1, a", "unknown columns x, y"]),
]


def test_every_mistake_in_a_file_is_told_at_once(tmp_path: Path) -> None:
    for text, words in REFUSED:
        given = tables(written(tmp_path, text), 3)
        given["time"]["end"] = -1.0
        with pytest.raises(ConfigurationError) as refused:
            parse(given)
        told = str(refused.value)
        for word in [*words, "time.end", "initial.points"]:
            assert word in told, (text, told)
    for value in (str(tmp_path / "none.csv"), str(tmp_path), "", 3, {"file": 3}):
        with pytest.raises(ConfigurationError, match=r"initial\.points"):
            parse({**tables(tmp_path), "initial": {"points": value}})
    with pytest.raises(ConfigurationError) as refused:
        parse({**tables(tmp_path), "initial": {"points": str(written(tmp_path, REDUCED)), "kappa": 1.0, "a": 1.0}})
    assert len(refused.value.messages) == 2


def test_bumps_and_single_index_laws_take_them_too(tmp_path: Path) -> None:
    bumps = parse(
        {"data": {"law": "gaussian-bumps"}, "network": {}, "initial": {"points": str(written(tmp_path, "z\n-1\n1\n"))}}
    )
    assert_array_equal(build_problem(bumps).initial_law.moments[0], [0.0])
    index = {"data": {"law": "single-index", "dim": 3}, "network": {"activation": "erf"}}
    whole = parse({**index, "initial": {"points": str(written(tmp_path, "w1,w2,w3\n-1,3,4\n"))}})
    assert_allclose(build_problem(whole).initial_law.moments[0], [-1.0, 5.0])
    assert_array_equal(first_state(whole, build_problem(whole), build_sgd(whole, 0)).w, [[-1.0, 3.0, 4.0]])
