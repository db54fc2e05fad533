"""rates: closed forms of constants, norms and least risks, and what the command refuses."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import roots_gegenbauer

import mfpde
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import to_toml
from mfpde.experiment import Experiment
from mfpde.problem.network import activation_of
from mfpde.results.answers.bounds import Exponent
from mfpde.results.answers.samples.rates import MonteCarlo, RandomFeatures, Rates
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.random_features import least_risks
from mfpde.studies.bounds.fits import FAILS, HOLDS, UNDECIDED
from mfpde.studies.rates import features, monte_carlo
from mfpde.studies.rates.rates import CONSTANT, DATA, PATH, SLOPE, rates

RELU = activation_of("relu")


def index(dim: int, **tables: dict[str, Any]) -> Experiment:
    given: dict[str, dict[str, Any]] = {
        "data": {"law": "single-index", "dim": dim, "target": "relu"},
        "network": {"activation": "relu", "coefficients": "trained"},
        "initial": {"a": {"values": [-1.0, 1.0]}},
    }
    return parse({name: {**given[name], **tables.get(name, {})} for name in given})


def plane(x: Array, y: Array, **tables: dict[str, Any]) -> Experiment:
    given: dict[str, dict[str, Any]] = {
        "data": {"law": "dataset", "points": x.tolist(), "values": y.tolist()},
        "network": {"activation": "relu", "coefficients": "trained"},
        "initial": {"a": {"values": [-1.0, 1.0]}},
        "time": {"end": 2.0, "save": 2},
        "solver": {"scheme": "particles", "atoms": [16]},
    }
    return parse({name: {**given[name], **tables.get(name, {})} for name in given})


@pytest.mark.parametrize("dim", [6, 20])
def test_the_constant_of_a_density_on_the_sphere_is_its_closed_form(dim: int, tmp_path: Path) -> None:
    """g(w) = w_1 on S^{d-1}: f = x_1 / (2 d), and 1 / (2 d^2) - 1 / (4 d^3) for every N.

    On Gaussian inputs, where rectifiers have d times the squares of the sphere.
    """
    node, weight = roots_gegenbauer(40, 0.5 * dim - 1.0)
    rows = np.column_stack([node, np.sqrt(1.0 - node**2), node, weight])
    np.savetxt(tmp_path / "g.csv", rows, delimiter=",", header="w_par,w_perp,a,weight", comments="")
    content = tomllib.loads(to_toml(index(dim)))
    content["initial"] = {"points": str(tmp_path / "g.csv")}
    found = monte_carlo.monte_carlo(parse(content), [40], 1)
    assert isinstance(found, MonteCarlo)
    assert found.constant / dim == pytest.approx(1.0 / (2.0 * dim**2) - 1.0 / (4.0 * dim**3), abs=1e-10)


@pytest.mark.long
def test_drawn_networks_have_the_constant_on_average() -> None:
    """a = +-1 and w ~ N(0, .64 Id / d): f = 0, and the constant is .64 / 2; 60 networks of each N."""
    found = monte_carlo.monte_carlo(index(40), [3, 12], 60)
    assert isinstance(found, MonteCarlo)
    assert found.constant == pytest.approx(0.32, abs=1e-8)
    # a mean of 60 is 5 of its deviations off in one of 10^6
    assert np.abs(found.value - 0.32).max() < 2.5 * np.max(found.high - found.low)
    assert monte_carlo.judged(found).startswith(HOLDS)
    far = MonteCarlo(0.5, found.neurons, found.value, found.low, found.high)
    assert monte_carlo.judged(far).startswith(FAILS)


def test_least_risks_are_those_of_regression() -> None:
    """By least squares on the kernel, and 0 where the target is among the features."""
    random = np.random.default_rng(2)
    units, teachers, weights = random.standard_normal((6, 3)), random.standard_normal((2, 3)), np.array([0.7, -1.1])
    rows = np.vstack([units, teachers])
    sizes = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(rows, axis=1))
    angle = np.arccos(np.clip(rows @ rows.T / sizes, -1.0, 1.0))
    angle[angle < 1e-7] = 0.0
    kernel = sizes * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2.0 * np.pi)
    found = least_risks(RELU, units, teachers, weights, [0, 2, 6])
    for count, risk in zip([0, 2, 6], found, strict=True):
        own, mixed = kernel[:count, :count], kernel[:count, 6:] @ weights
        left = weights @ kernel[6:, 6:] @ weights - mixed @ np.linalg.solve(own, mixed)
        assert risk == pytest.approx(left, rel=1e-11)
    among = least_risks(RELU, np.vstack([units, 2.0 * teachers, units[:1]]), teachers, weights, [6, 7, 8, 9])
    assert among[0] == pytest.approx(found[-1], rel=1e-12)
    assert np.abs(among[2:]).max() < 1e-14


@pytest.mark.long
def test_random_features_in_the_plane_fall_with_the_third_power() -> None:
    """The median is a power of the gaps between directions: slope -3 with logarithms, of 60 draws to .35."""
    found = features.random_features(index(2), [16, 32, 64, 128], 60)
    assert isinstance(found, RandomFeatures)
    assert found.reference == -3.0
    assert found.exponent.value == pytest.approx(-3.0, abs=0.7)
    assert features.judged(found).startswith(HOLDS)
    assert found.trained < 1e-14
    assert features.trained_judged(found, 0.3).startswith(HOLDS)
    assert features.trained_judged(replace(found, trained=0.4), 0.3).startswith(FAILS)


@pytest.mark.parametrize(
    ("exponent", "word"),
    [((-1.5, -1.7, -1.3), HOLDS), ((-2.2, -2.4, -2.0), UNDECIDED), ((-1.0, -1.2, -0.8), FAILS)],
)
def test_the_verdict_of_random_features_is_two_sided_but_for_steep_beginnings(
    exponent: tuple[float, float, float], word: str
) -> None:
    one = np.ones(2)
    assert features.judged(RandomFeatures(one, one, one, one, Exponent(*exponent), -1.5, 3, 1, 0.0)).startswith(word)


def test_one_sample_has_the_norms_of_its_length() -> None:
    """Omega = |y| / |x| by the neuron along x; H = |y| / sqrt(K(x, x)), K = |x|^2 / (2 D)."""
    x, y = np.array([[0.6, -0.8], [1.2, -1.6]]), np.array([1.5, 3.0])
    found = rates(plane(x, y), neurons=[4], replicas=2).data
    assert found is not None
    assert found.variation == pytest.approx(1.5, rel=1e-9)
    assert found.rkhs == pytest.approx(1.5 * 2.0, rel=1e-9)
    assert found.certified


def test_data_that_nothing_interpolates_have_no_norm() -> None:
    x, y = np.array([[0.6, -0.8], [1.2, -1.6]]), np.array([1.5, -3.0])
    found = rates(plane(x, y), neurons=[4], replicas=2)
    assert found.data is not None
    assert (found.data.rkhs, found.data.variation) == (np.inf, np.inf)
    assert found.verdicts[DATA] == f"{HOLDS}: nothing interpolates these data, both are infinite"
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["data"]["rkhs"] is None


@pytest.mark.long
def test_the_path_norm_of_a_run_beside_what_it_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.array([[1.0, 0.2], [-0.3, 0.9], [-0.8, -0.7]])
    y = np.array([0.5, -0.4, 0.3])
    run = mfpde.solve(plane(x, y), output=tmp_path / "run.nc")
    arguments = ["rates", "--from", str(tmp_path / "run.nc"), "--neurons", "4,8", "--replicas", "3", "--quiet"]
    assert main([*arguments, "--norm", "l1", "--json", "-o", str(tmp_path / "out.json"), "--plot", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    law = run.law()
    path, w, a = told["path"], law.points[:, :2], law.points[:, 2]
    assert path["value"] == pytest.approx(law.weights @ (np.abs(a) * np.abs(w).sum(axis=1)), rel=1e-12)
    assert path["euclidean"] == pytest.approx(law.weights @ (np.abs(a) * np.linalg.norm(w, axis=1)), rel=1e-12)
    # the neurons themselves interpolate their outputs
    assert path["lower"] <= path["euclidean"] <= path["value"]
    outputs = law.weights @ (a[:, None] * np.maximum(w @ x.T, 0.0))
    atoms = [([*each["position"].values()], each["weight"]) for each in told["data"]["atoms"]]
    found = sum(mass * place[-1] * np.maximum(x @ place[:-1], 0.0) for place, mass in atoms)
    assert found == pytest.approx(y, abs=1e-9)
    assert np.abs(outputs - y).max() > 1e-3
    assert all(told["verdicts"][claim].startswith(HOLDS) for claim in (DATA, PATH))
    loaded = mfpde.load(tmp_path / "out.json")
    assert isinstance(loaded, Rates)
    assert loaded.table()
    assert (tmp_path / "rates.png").exists()


def test_what_has_neither_norms_nor_rates_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rates"]) == 2
    assert "name a problem, `mfpde rates SOURCE`" in capsys.readouterr().err
    assert main(["rates", "spikes-3", "--norm", "l3"]) == 2
    assert "--norm l3: is none; write one of l2, l1" in capsys.readouterr().err
    assert main(["rates", "spikes-3"]) == 2
    assert '"spikes" is no finite set of samples' in capsys.readouterr().err
    found = rates(load_configuration("single-index-erf"), neurons=[4, 8], replicas=2)
    assert found.verdicts[SLOPE].startswith(UNDECIDED)
    assert CONSTANT in found.verdicts


def test_a_law_without_reduced_coordinates_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rates", "three-spin", "--set", "data.dim=3", "--neurons", "4", "--replicas", "2"]) == 2
    assert '"three-spin" has no reduced coordinates, in which the constant is a mean' in capsys.readouterr().err
