"""Where runs end: known collapses, plateaus and limits, distances in closed form, clusters of laws made by hand."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mfpde import ending
from mfpde.commands.main import main
from mfpde.configuration.sources import load_configuration
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.results.answers.ending import Ending
from mfpde.results.answers.solve import SolveResult
from mfpde.results.answers.stationary import StationaryPoint
from mfpde.studies.distance import Pieces, distance_to_atoms
from mfpde.studies.ending.clusters import clusters
from mfpde.studies.sgd.replicas import sgd
from mfpde.studies.solve import solve
from tests.reference import values

PLATEAU = 2.0881845272033512


@cache
def run(preset: str, *overrides: str) -> SolveResult:
    few = ("time.save=2", "solver.scheme=characteristics", "solver.tolerance=1e-5")
    return solve(load_configuration(preset, [*few, *overrides]))


def nearest(found: Ending) -> StationaryPoint:
    assert isinstance(found.nearest, StationaryPoint)
    return found.nearest


def test_a_collapse_ends_at_the_origin_which_a_cone_holds() -> None:
    found = ending(run("nonmonotone-failure"))
    assert found.at_rest is True
    assert found.risk == pytest.approx(7.25, abs=1e-12)
    (cluster,) = found.clusters
    assert cluster.position[0] == 0.0
    assert cluster.weight == pytest.approx(1.0, abs=1e-12)
    assert (nearest(found).positions[0, 0], nearest(found).stable, found.distance) == (0.0, True, 0.0)
    assert not nearest(found).global_optimum
    # the optimum of the reference, on the same box
    (best,) = (o["R_opt"] for o in values()["optimum_isotropic"] if (o["act"], o["d"]) == ("N", 320))
    assert found.gap_to_optimum == pytest.approx(7.25 - best, abs=1e-9)
    assert "ends at a stable law" in found.note
    assert "it is not the optimum" in found.note


def test_a_collapse_on_cells_is_the_same_to_the_width_of_a_cell() -> None:
    result = run("nonmonotone-failure", "solver.scheme=finite-volume", "solver.tolerance=1e-4")
    found = ending(result)
    assert result.edges is not None
    assert found.at_rest is True
    assert nearest(found).stable is True
    assert 0.0 < found.distance < result.edges[0][1]


def test_a_metastable_plateau_is_not_the_end() -> None:
    """r* = 2.0881845 splits at rate .0178446: the law widens at that rate, to the second order in its width."""
    result = run("nonmonotone-success", "time.end=20")
    found = ending(result)
    assert found.at_rest is False
    assert nearest(found).positions[0, 0] == pytest.approx(PLATEAU, abs=1e-9)
    assert nearest(found).stable is False
    assert nearest(found).risk == pytest.approx(0.0143059967, abs=1e-10)
    assert "not the end: a metastable plateau by an unstable law" in found.note
    rate = float(found.note.split("widens at rate ")[1].split(";")[0])
    assert rate == pytest.approx(-nearest(found).splitting[0][0], rel=0.01)
    spread = math.hypot(result.mean[-1, 0] - PLATEAU, math.sqrt(result.variance[-1, 0]))
    assert found.distance == pytest.approx(spread, rel=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["characteristics", "finite-volume"])
def test_on_the_way_to_the_global_optimum(scheme: str) -> None:
    """W2 to one atom is sqrt(|mean - z|^2 + variance); on cells up to what their centres of mass add to the moments."""
    result = run("anisotropic-relu", f"solver.scheme={scheme}", "solver.tolerance=1e-4")
    found = ending(result)
    point = nearest(found)
    expected = values()["optimum_anisotropic"][0]
    assert point.risk == pytest.approx(expected["R_opt"], abs=2e-11)
    assert point.positions[0] == pytest.approx([0.85635, 0.0], abs=5e-6)
    assert (point.stable, point.global_optimum, found.at_rest) == (True, True, False)
    square = ((result.mean[-1] - point.positions[0]) ** 2 + result.variance[-1]).sum()
    assert found.distance == pytest.approx(math.sqrt(square), rel=1e-9 if scheme == "characteristics" else 1e-3)
    assert found.gap_to_optimum == pytest.approx(result.risk[-1] - expected["R_opt"], abs=1e-9)
    # the scheme's own dissipation, of the same law
    assert found.dissipation == pytest.approx(result.dissipation[-1], rel=0.02)
    assert abs(found.dissipation - result.dissipation[-1]) <= result.dissipation_error[-1]
    assert "on the way to a stable law" in found.note


@pytest.mark.long
def test_mass_that_leaves_is_told() -> None:
    found = ending(run("isotropic-gaussians", "solver.tolerance=1e-4"))
    assert found.at_rest is False
    assert [cluster.position[0] for cluster in found.clusters] == pytest.approx([5.35, 0.09], abs=0.05)
    assert sum(cluster.weight for cluster in found.clusters) + found.dust == pytest.approx(1.0, abs=1e-12)
    assert f"mass {found.clusters[0].weight:.4g} moves outwards, now about r1 = 5.3" in found.note
    assert "no stationary law is near" in found.note
    assert "mass may leave for ever larger radii" in found.note


def test_birth_and_death_free_the_masses() -> None:
    """The nearest law has the masses at which G is equal on its atoms, not those of the run."""
    settings = ("dynamics.flow=wasserstein-fisher-rao", "dynamics.fisher_rao_rate=1.0")
    found = ending(run("isotropic-gaussians", "time.end=20", "solver.tolerance=1e-4", *settings))
    point = nearest(found)
    assert point.masses == pytest.approx([0.24439, 0.75561], abs=1e-5)
    assert abs(found.clusters[0].weight - 0.75561) > 0.03
    assert (point.stable, found.at_rest) == (False, False)


@pytest.mark.long
def test_trained_coefficients() -> None:
    """With a free coefficient the infinite problem reaches risk 0, where many laws do."""
    initial = ("network.coefficients=trained", "initial.a={normal=[0.0,1.0]}", "data.dims=infinite")
    result = run("isotropic-gaussians", *initial, "data.fractions=1.0", "time.end=20", "solver.tolerance=1e-4")
    found = ending(result)
    assert found.names == ("r1", "a")
    assert found.gap_to_optimum == pytest.approx(result.risk[-1], abs=1e-12)
    assert "the least F is 0, which many laws have" in found.note
    assert found.dissipation == pytest.approx(result.dissipation[-1], rel=1e-3)


def test_noise_is_measured_from_the_gibbs_law() -> None:
    noise = ("dynamics.inverse_temperature=100", "dynamics.ridge=0.1", "solver.scheme=finite-volume")
    result = run("anisotropic-relu", "data.dims=4", "time.end=1", "solver.tolerance=1e-4", *noise)
    found = ending(result)
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert 0.0 < content["gap_to_optimum"] == pytest.approx(result.free_energy[-1] - found.optimum.free_energy)
    mean = content["nearest"]["mean"]["r1"] + content["nearest"]["mean_distance"]["r1"]
    assert mean == pytest.approx(result.mean[-1, 0], abs=1e-12)
    assert content["speed"] is None
    assert "the only stationary law is the Gibbs law: free energy above it by" in content["note"]


def test_replicas_of_sgd_are_taken_together() -> None:
    settings = ["data.dims=40", "sgd.neurons=50", "sgd.replicas=2", "sgd.step_size=1e-3", "time.end=0.2", "time.save=2"]
    result = sgd(load_configuration("nonmonotone-failure", settings), workers=1)
    found = ending(result)
    assert found.risk == pytest.approx(result.risk[:, -1].mean(), abs=1e-14)
    together = result.position[:, -1, :, 0].ravel()
    mean = sum(cluster.weight * cluster.position[0] for cluster in found.clusters)
    assert abs(together.mean() - mean) <= found.dust * together.max() + 1e-12
    assert "2 replicas of 50 neurons taken together" in found.note


def test_transport_to_atoms_against_quantiles() -> None:
    """A law on a line in the plane: the linear programme gives what the quantile functions give."""
    generator = np.random.default_rng(5)
    masses, places = generator.dirichlet(np.ones(60)), generator.normal(size=(60, 1))
    atoms, shares = np.array([[-1.0], [0.3], [2.0]]), np.array([0.2, 0.5, 0.3])
    exact = distance_to_atoms(Pieces(masses, places, places), atoms, shares)
    flat = np.hstack([places, 0.0 * places])
    plane = distance_to_atoms(Pieces(masses, flat, flat), np.hstack([atoms, 0.0 * atoms]), shares)
    assert plane == pytest.approx(exact, rel=1e-9)
    cell = Pieces(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    # E|x|^2 = 2/3 over the unit square
    assert distance_to_atoms(cell, np.zeros((1, 2)), np.ones(1)) == pytest.approx(math.sqrt(2.0 / 3.0), rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_clusters_of_sampled_heaps(dimension: int) -> None:
    """Two heaps of 600 and 200 points six deviations apart, and one stray point: means to 5 standard errors."""
    generator = np.random.default_rng(dimension)
    heaps = [generator.normal(size=(count, dimension)) + 6.0 * k for k, count in enumerate((600, 200))]
    points = np.concatenate([*heaps, np.full((1, dimension), 40.0)])
    law = Pieces(np.full(801, 1.0 / 801.0), points, points)
    found = clusters(law, 6.0, sampled=True)
    assert [round(801 * cluster.weight) for cluster in found] == pytest.approx([600, 200], abs=8)
    for cluster, heap in zip(found, heaps, strict=True):
        assert np.abs(cluster.position - heap.mean(axis=0)).max() < 5.0 / math.sqrt(len(heap))
        assert cluster.spread == pytest.approx(np.ones(dimension), abs=0.25)
    assert 1.0 - sum(cluster.weight for cluster in found) >= 1.0 / 801.0 - 1e-12


def test_a_thin_bridge_does_not_join_clusters() -> None:
    cells = np.linspace(0.0, 10.0, 501)
    density = np.exp(-((cells[:-1] - 2.0) ** 2) / 0.1) + 0.5 * np.exp(-((cells[:-1] - 8.0) ** 2) / 0.1) + 0.02
    law = Pieces(density / density.sum(), cells[:-1, None], cells[1:, None])
    found = clusters(law, 10.0)
    assert len(found) == 2
    assert [cluster.position[0] for cluster in found] == pytest.approx([2.0, 8.0], abs=0.5)
    assert sum(cluster.weight for cluster in found) == pytest.approx(1.0, abs=1e-12)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, place = tmp_path / "run.nc", tmp_path / "out.json"
    settings = ["--set", "time.save=2", "--scheme", "characteristics", "-o", str(path), "--quiet"]
    assert main(["solve", "nonmonotone-failure", *settings]) == 0
    assert main(["stationary", "--from", str(path), "-o", str(place), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads(place.read_text(encoding="utf-8"))
    assert {**printed, "format": "mfpde ending 1", "checksum": written["checksum"]} == written
    assert (printed["run"], printed["at_rest"], printed["dust"]) == (str(path), True, 0.0)
    assert printed["clusters"] == [{"position": {"r1": 0.0}, "weight": 1.0, "spread": {"r1": 0.0}}]
    assert printed["nearest"]["atoms"] == [{"position": {"r1": 0.0}, "weight": 1.0}]
    assert printed["nearest"]["distance"] == 0.0
    assert printed["optimum"]["certified"] is True
    assert main(["stationary", "--from", str(path)]) == 0
    assert "nearest stationary law, at W2 distance 0: atom at r1 = 0: stable" in capsys.readouterr().out


def test_refusals_name_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stationary"]) == 2
    assert "or a run, `mfpde stationary --from RUN.nc`" in capsys.readouterr().err
    wrong = ["nonmonotone-failure", "--set", "data.delta=0.3", "--scheme", "jko", "--radius", "0"]
    assert main(["stationary", "--from", str(tmp_path / "none.nc"), *wrong]) == 2
    lines = capsys.readouterr().err
    assert "leave out nonmonotone-failure, --set, --scheme, or solve the changed problem first" in lines
    assert "no such file; write the path of a file that `mfpde solve -o` made" in lines
    assert "--radius 0: is not a finite number above 0" in lines
    with pytest.raises(ConfigurationError, match=r"reaches r1 = 6\.\d+; write --radius 10"):
        ending(run("isotropic-gaussians", "solver.tolerance=1e-4"), radius=3.0)
    with pytest.raises(ConfigurationError, match=r"without transport every atom rests"):
        ending(run("isotropic-gaussians", "dynamics.flow=fisher-rao", "dynamics.fisher_rao_rate=1", "time.end=0.1"))


def test_dust_far_away_does_not_hide_a_collapse() -> None:
    """At kappa = .1725 a mass of 3e-4 escapes to r = 8.7: W2 is sqrt(3e-4) 8.7, and yet the rest lies at the origin."""
    found = ending(run("nonmonotone-failure", "initial.kappa=0.1725", "time.end=20"))
    assert 1e-4 < found.dust < 1e-3
    assert found.distance == pytest.approx(math.sqrt(found.dust) * 8.73, rel=0.01)
    assert (found.near, found.at_rest, nearest(found).positions[0, 0]) == (True, True, 0.0)
    assert "is dust, which does not count here" in found.note


def test_a_law_that_has_not_run_yet_is_not_at_rest() -> None:
    result = run("nonmonotone-success", "time.end=20")
    series = {
        item.name: getattr(result, item.name)[:1]
        for item in fields(result)
        if isinstance(getattr(result, item.name), np.ndarray)
    }
    start = ending(replace(result, status="interrupted", **series))
    assert (start.time, start.at_rest, start.near) == (0.0, False, False)


def test_a_file_of_sgd_whole_and_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sgd.nc"
    settings = ["data.dims=40", "sgd.neurons=30", "sgd.step_size=1e-3", "time.end=0.1", "time.save=2"]
    sgd(load_configuration("nonmonotone-failure", settings), path, workers=1)
    assert main(["stationary", "--from", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "30 neurons of SGD, which its noise keeps moving" in printed["note"]
    path.write_bytes(path.read_bytes()[:-40])
    assert main(["stationary", "--from", str(path)]) == 2
    assert "not a NetCDF-3 file, or cut off" in capsys.readouterr().err


def test_a_run_without_a_law_yet() -> None:
    result = run("nonmonotone-failure")
    series = {
        item.name: getattr(result, item.name)[:0]
        for item in fields(result)
        if isinstance(getattr(result, item.name), np.ndarray)
    }
    with pytest.raises(ResultFileError, match="holds no save time yet; continue it with `mfpde solve --resume`"):
        ending(replace(result, **series))
    stopped = ending(replace(result, status="interrupted"))
    assert "the run is not complete (interrupted): this is its law at t = 1" in stopped.note
