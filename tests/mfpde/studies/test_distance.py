"""W2 between laws: exact on the line for atoms and cells, by linear programming in the plane, and the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from mfpde.commands.main import main
from mfpde.configuration.sources import load_configuration
from mfpde.errors import ConfigurationError
from mfpde.results.answers.solve import SERIES, Array, SolveResult
from mfpde.solvers.space.grid import recorded_grid
from mfpde.studies.distance import distance
from mfpde.studies.solve import solve
from tests import reference

TIMES = np.array([0.0, 1.5])


def result(law: dict[str, Any], dimension: int, names: tuple[str, ...] | None = None) -> SolveResult:
    series, moments = np.ones(2), np.ones((2, dimension))
    return SolveResult(
        time=TIMES,
        **cast("dict[str, Any]", dict.fromkeys(SERIES, series)),
        mean=moments,
        variance=moments,
        names=names or tuple(f"r{axis + 1}" for axis in range(dimension)),
        scheme="none",
        status="success",
        wall_seconds=0.0,
        **law,
    )


def atoms(masses: Array, *positions: Array) -> SolveResult:
    """Atoms at the positions at the two times; the last ones stand at both."""
    first, last = positions[0], positions[-1]
    weight = np.stack([masses, masses])
    return result({"weight": weight, "position": np.stack([first, last])}, first.shape[1])


def line(masses: list[float], positions: list[float]) -> SolveResult:
    return atoms(np.array(masses), np.array(positions)[:, None])


def cells(masses: Array, *edges: list[float]) -> SolveResult:
    axes = tuple(np.array(axis) for axis in edges)
    density = np.asarray(masses, dtype=float) / recorded_grid(axes).volumes
    return result({"density": np.stack([density, density]), "edges": axes}, len(edges))


HALF = line([1.0], [0.5])
UNIFORM = cells(np.array([1.0]), [0.0, 1.0])


@pytest.mark.parametrize(
    ("first", "second", "square"),
    [
        (line([0.5, 0.5], [1.0, 0.0]), line([0.25, 0.75], [3.0, 1.0]), 0.5 + 0.25 * 4.0),
        (UNIFORM, HALF, 1.0 / 12.0),
        (UNIFORM, cells(np.array([1.0]), [2.0, 4.0]), 19.0 / 3.0),
        # an atom at the origin of mass 1/2 and the rest uniform on [0, 1], against U(0, 1): Q = max(2u - 1, 0)
        (cells(np.array([0.5, 0.5]), [0.0, 0.0, 1.0]), UNIFORM, 1.0 / 12.0),
        (cells(np.array([0.5, 0.0, 0.5]), [0.0, 1.0, 2.0, 3.0]), cells(np.array([1.0]), [0.0, 2.0]), 0.5),
    ],
)
def test_closed_forms_on_the_line(first: SolveResult, second: SolveResult, square: float) -> None:
    assert distance(first, second).distance == pytest.approx(np.sqrt(square), rel=1e-14)
    assert distance(second, first).distance == pytest.approx(np.sqrt(square), rel=1e-14)
    assert distance(first, second).gathering_error == 0.0
    assert distance(first, first).distance == 0.0


def test_random_laws_on_the_line_against_sampled_quantiles() -> None:
    generator = np.random.default_rng(3)
    edges = np.sort(generator.uniform(0.0, 3.0, 9))
    masses = generator.dirichlet(np.ones(8))
    weights, places = generator.dirichlet(np.ones(12)), generator.uniform(0.0, 3.0, (12, 1))
    found = distance(cells(masses, list(edges)), atoms(weights, places)).distance
    levels = (np.arange(400_000) + 0.5) / 400_000
    smooth = np.interp(levels, np.concatenate([[0.0], np.cumsum(masses)]), edges)
    order = np.argsort(places[:, 0])
    steps = places[order, 0][np.minimum(np.searchsorted(np.cumsum(weights[order]), levels), 11)]
    assert found == pytest.approx(np.sqrt(np.mean((smooth - steps) ** 2)), rel=1e-5)


def test_masses_too_small_to_count_do_no_harm() -> None:
    tiny = [1e-300, 1e-18, 1.0 - 1e-16, 1e-17, 1e-16, 1e-30]
    assert distance(line(tiny, [9.0, -4.0, 1.0, 2.0, 1.5, 7.0]), line([1.0], [3.0])).distance == pytest.approx(2.0)


@pytest.mark.parametrize("scheme", ["characteristics", "finite-volume"])
def test_reference_distances_along_the_isotropic_flow(scheme: str) -> None:
    expected = reference.values()["W2"]
    case = ["time.end=10.0", "time.save=0.0,0.1,1.0,10.0", f"solver.scheme={scheme}"]
    if scheme == "characteristics":
        case += ["solver.atoms=2000", "solver.tolerance=1e-8"]
    run = solve(load_configuration("isotropic-gaussians", case))
    errors = [abs(distance(run, run, (before, after)).distance - value) for before, after, value, _ in expected]
    assert len(errors) == 3
    # atoms are compared one by one; the density of a grid is constant on each of 2048 cells
    assert max(errors) < (1e-8 if scheme == "characteristics" else 6e-5)


def test_points_in_the_plane_are_assigned_at_least_cost() -> None:
    pytest.importorskip("ot")
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(60, 2)), generator.normal(size=(60, 2)) * [0.2, 3.0]
    cost = cdist(x, y, "sqeuclidean")
    best = cost[linear_sum_assignment(cost)].mean()
    equal = np.full(60, 1.0 / 60.0)
    found = distance(atoms(equal, x), atoms(equal, y))
    assert found.distance == pytest.approx(np.sqrt(best), rel=1e-12)
    assert found.gathering_error == 0.0


def test_gathering_many_points_costs_no_more_than_it_says() -> None:
    """A law and its copy moved by (3, 4) are 5 apart; against another law, the distance of all points is within."""
    pytest.importorskip("ot")
    generator = np.random.default_rng(6)
    masses, places = generator.dirichlet(np.ones(900)), generator.gamma(2.0, size=(900, 2))
    shift = np.array([3.0, 4.0])
    moved = distance(atoms(masses, places), atoms(masses, places + shift), most_points=50)
    assert moved.distance == pytest.approx(5.0, abs=1e-10)
    assert moved.points == (50, 50)
    many = atoms(np.full(2001, 1.0 / 2001.0), generator.normal(size=(2001, 2)))
    assert distance(many, atoms(np.ones(1), np.zeros((1, 2)))).points == (2000, 1)
    other = atoms(generator.dirichlet(np.ones(700)), generator.normal(size=(700, 2)))
    whole = distance(atoms(masses, places), other)
    previous = np.inf
    for most in (20, 80, 320):
        found = distance(atoms(masses, places), other, most_points=most)
        assert 1e-3 < abs(found.distance - whole.distance) / found.gathering_error <= 1.0
        assert found.gathering_error < 0.7 * previous
        previous = found.gathering_error


def test_cells_in_the_plane_count_with_their_width() -> None:
    """U([0, 1]^2) against its centre: W2^2 = 1/6, of which 16 cells a side know all but 2 h^2 / 12."""
    pytest.importorskip("ot")
    edges = list(np.linspace(0.0, 1.0, 17))
    square = cells(np.full((16, 16), 1.0 / 256.0), edges, edges)
    found = distance(square, atoms(np.ones(1), np.array([[0.5, 0.5]])))
    assert found.gathering_error == pytest.approx(np.sqrt(1.0 / 6.0) / 16.0, rel=1e-12)
    assert found.distance**2 + found.gathering_error**2 == pytest.approx(1.0 / 6.0, rel=1e-12)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    moving = atoms(np.array([1.0]), np.array([[1.0]]), np.array([[3.0]]))
    for name, law in (("a.nc", moving), ("b.nc", HALF), ("plane.nc", atoms(np.ones(1), np.ones((1, 2))))):
        law.save(tmp_path / name)
    return str(tmp_path / "a.nc"), str(tmp_path / "b.nc"), str(tmp_path / "plane.nc")


def test_the_command_prints_the_distance(files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    a, b, _ = files
    assert main(["distance", a, b]) == 0
    assert capsys.readouterr().out == "W2 = 2.5 between t = 1.5 and t = 1.5 (exact for the recorded laws)\n"
    assert main(["distance", a, b, "--time", "0", "--json"]) == 0
    found = {"distance": 0.5, "gathering_error": 0.0, "time_a": 0.0, "time_b": 0.0, "points": [1, 1]}
    assert json.loads(capsys.readouterr().out) == found
    assert main(["distance", a, a, "--time-a", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["distance"] == 2.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "plane"], ["the laws live in different coordinates, (r1) and (r1, r2)"]),
        (["a", "b", "--time", "0.7"], ["t = 0.7 is no save time of the result; the nearest is 0", "t = 0.7"]),
        (["a", "b", "--time", "1", "--time-b", "x"], ["--time stands for", "--time-b x: is not a finite time, 0 or"]),
        (["a", "missing", "--time-a", "nan"], ["--time-a nan: is not a finite time", "no such file"]),
    ],
)
def test_bad_input_of_the_command(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    places = {"a": files[0], "b": files[1], "plane": files[2], "missing": files[0] + "x"}
    assert main(["distance", *(places.get(argument, argument) for argument in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == len(words)
    assert all(word in line for word, line in zip(words, err.splitlines(), strict=True))


def test_a_missing_library_is_named_with_its_command(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ot", None)
    assert main(["distance", files[2], files[2]]) == 2
    assert "needs the library POT; install it with: pip install 'mfpde[distance]'" in capsys.readouterr().err
    assert main(["distance", files[0], files[1]]) == 0


def test_a_result_without_a_law_yet_is_refused() -> None:
    empty = solve_nothing()
    with pytest.raises(ConfigurationError, match="holds no save time yet"):
        distance(empty, HALF)


def solve_nothing() -> SolveResult:
    """A run interrupted before its first save time."""
    none, moments = np.empty(0), np.empty((0, 1))
    return SolveResult(
        **cast("dict[str, Any]", dict.fromkeys(("time", *SERIES), none)),
        mean=moments,
        variance=moments,
        names=("r1",),
        scheme="none",
        status="interrupted",
        wall_seconds=0.0,
        weight=np.empty((0, 1)),
        position=np.empty((0, 1, 1)),
    )
