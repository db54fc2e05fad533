"""Sparse spikes: the words of the configuration, J(t) of the reference, what spurious mass does, scales."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfpde import load, optimum, solve
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError
from mfpde.problem.laws.spikes import GaussianFilter, LowPass, Spikes
from mfpde.problem.problem import build_problem
from mfpde.results.answers.signed import SignedOptimum
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.arrays import Array
from mfpde.studies.distance import distance

TURN = 2.0 * np.pi


@cache
def reference() -> dict[str, Any]:
    text = (Path(__file__).parents[3] / "reference_datasets.json").read_text(encoding="utf-8")
    entries = json.loads(text)["entries"]
    return dict(next(entry for entry in entries if entry["id"] == "C.three")["values"])


def messages(data: str, rest: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(tomllib.loads(f'[data]\nlaw = "spikes"\n{data}\n[network]\n{rest}'))
    return "\n".join(caught.value.messages)


def started(path: Path, rows: list[tuple[float, float, float]]) -> str:
    """The override of a start of rows (angle, sign, weight)."""
    lines = ["angle,sign,weight", *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"initial.points={path}"


def test_keys_come_back_from_their_text() -> None:
    for name in ("spikes-3", "spikes-5"):
        configuration = load_configuration(name)
        assert parse(tomllib.loads(to_toml(configuration))) == configuration
    assert parse(tomllib.loads('[data]\nlaw = "spikes"\n[network]\n')).data == Spikes()
    wide = parse(tomllib.loads('[data]\nlaw = "spikes"\nfeatures = { gaussian = [0.2, 9] }\n[network]\n'))
    assert wide.data == Spikes(seen_by=GaussianFilter(0.2, 9))
    assert parse(tomllib.loads(to_toml(wide))) == wide
    assert build_problem(wide).flow.growth == 1.0


def test_features_have_norm_1_and_the_gains_of_their_filter() -> None:
    angles = np.linspace(0.0, 6.0, 7)[:, None]
    for seen in (LowPass(5), GaussianFilter(0.4, 5)):
        law = Spikes((1.0,), (1.0,), seen)
        problem = build_problem(load_configuration("spikes-3"))
        objective = law.features(problem.unit, problem.geometry.box(1.0), 1e-12, "finest").objective
        values, slopes = objective.features.values_and_gradients(angles)
        np.testing.assert_allclose((values**2).sum(axis=1), 1.0, rtol=1e-14)
        gains = np.array([1.0] * 6 if isinstance(seen, LowPass) else np.exp(-0.5 * (0.4 * np.arange(6)) ** 2))
        np.testing.assert_allclose(values[0, :6] / values[0, 0], gains * np.append(1.0, [np.sqrt(2.0)] * 5), rtol=1e-13)
        moved = [objective.features.values(angles + step) for step in (1e-6, -1e-6)]
        np.testing.assert_allclose(slopes[:, :, 0], (moved[0] - moved[1]) / 2e-6, atol=1e-9)


def test_bad_input_is_told_at_once() -> None:
    text = messages("positions = [1.0, 7.283185307179586, 2.0]\nweights = [0.0, 1.0]\nfeatures = { low-pass = 0 }")
    for words in ("one place on the circle", "2 weights for 3 positions", "a spike of weight 0 is none", "low-pass"):
        assert words in text
    assert "one place" in messages("positions = [0.0, 6.283185307179586]\nweights = [1.0, 1.0]")
    for filter_ in ("{ gaussian = [0.0, 9] }", "{ gaussian = [-0.1, 9] }", "{ gaussian = [0.1] }", "{}", "3"):
        assert "data.features" in messages(f"features = {filter_}")
    assert "fisher_rao_rate" in messages("", '[dynamics]\nflow = "wasserstein-fisher-rao"\nfisher_rao_rate = 1.0')
    assert "no noise is defined" in messages("", "[dynamics]\ninverse_temperature = 3.0")
    assert "given together" in messages("", "[initial]\nequispaced = 3\nangle = 1.0")
    assert "network.activation" in messages("", 'activation = "relu"')
    assert "no coefficients that move" in messages("", "[dynamics]\npenalty = { power = 2.0, strength = 0.1 }")


def test_points_have_signs_and_any_angle(tmp_path: Path) -> None:
    good = started(tmp_path / "good.csv", [(-1.0, 1.0, 0.5), (8.0, -1.0, 0.25)])
    result = solve("spikes-3", overrides=[good, "time.save=2", "time.end=0.1"])
    assert result.mass[0] == pytest.approx(0.75, rel=1e-14)
    np.testing.assert_allclose(np.sort(result.law(0.0).points[:, 0]), [8.0 - TURN, TURN - 1.0], rtol=1e-14)
    assert result.mass_plus is not None
    assert result.mass_plus[0] == pytest.approx(0.5, rel=1e-14)
    bad = started(tmp_path / "bad.csv", [(1.0, 0.5, 0.5)])
    with pytest.raises(ConfigurationError, match="sign: a number is no sign; write 1 or -1"):
        solve("spikes-3", overrides=[bad])


@pytest.mark.long
@pytest.mark.parametrize(("growth", "flow"), [(1.0, "wasserstein"), (4.0, "wasserstein"), (1.0, "fisher-rao")])
def test_the_flow_of_the_reference(growth: float, flow: str) -> None:
    """J, |Phi mu - y|^2 / 2, mass and that of sign + at t up to 20, integrated independently to 1e-11."""
    rows = reference()["flows"][f"n64_growth{growth}_transport{float(flow == 'wasserstein')}"][:6]
    times = [row["t"] for row in rows]
    keys = [f"dynamics.growth={growth}", f"dynamics.flow={flow}", f"time.save={times}", f"time.end={times[-1]}"]
    found = solve("spikes-3", scheme="characteristics", overrides=keys, tolerance=1e-8)
    assert found.mass_plus is not None
    series = {"J": 0.5 * found.free_energy, "data": 0.5 * found.risk, "mass": found.mass, "mass_plus": found.mass_plus}
    for name, values in series.items():
        np.testing.assert_allclose(values, [row[name] for row in rows], rtol=0.0, atol=1e-7, err_msg=name)
    assert np.all(np.abs(found.risk - [2.0 * row["data"] for row in rows]) <= found.risk_error)
    assert found.balance.max() <= 1e-6


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["jko", "finite-volume", "particles"])
def test_every_scheme_tells_the_same(scheme: str) -> None:
    keys = ["initial.equispaced=9", "time.save=[0.0,0.3]", "time.end=0.3"]
    options = {"finite-volume": ["solver.cells=256"], "jko": ["solver.step=0.05"]}.get(scheme, [])
    exact = solve("spikes-3", overrides=keys)
    found = solve("spikes-3", scheme=scheme, overrides=[*keys, *options])
    error = np.abs(found.risk - exact.risk)
    assert np.all(error <= 3.0 * found.risk_error)
    assert error.max() < {"particles": 1e-5, "jko": 3e-3, "finite-volume": 2e-2}[scheme]
    np.testing.assert_allclose(found.mass, exact.mass, atol=1e-2)


def test_the_optimum_of_the_reference(tmp_path: Path) -> None:
    best = optimum("spikes-3", output=tmp_path / "best.json")
    assert isinstance(best, SignedOptimum)
    exact = reference()
    assert best.free_energy == pytest.approx(2.0 * exact["J"], abs=1e-14)
    assert 0.0 <= best.free_energy - best.lower_bound < 1e-12
    np.testing.assert_allclose(best.positions[:, 0], exact["positions"], atol=1e-12)
    np.testing.assert_allclose(best.positions[:, 1] * best.weights, exact["weights"], atol=1e-12)
    assert best.certified
    assert best.certificate <= 1.0 + 1e-10
    told = best.to_json()
    assert told["atoms"][1]["position"]["sign"] == -1.0
    assert (told["radius"], told["at_boundary"]) == (None, False)
    again = load(tmp_path / "best.json")
    assert isinstance(again, SignedOptimum)
    np.testing.assert_array_equal(again.dual, best.dual)
    again.plot(tmp_path / "dual.png")
    assert "sup |eta|    at most 1" in again.table()


def test_the_gaussian_filter_has_a_certified_optimum_too() -> None:
    best = optimum("spikes-5", overrides=["data.features={gaussian=[0.08,40]}"])
    assert isinstance(best, SignedOptimum)
    assert best.certified
    assert len(best.weights) == 5
    near = np.abs(best.positions[:, 0] - np.array([0.4, 1.5, 2.9, 4.1, 5.3]))
    assert near.max() < 0.01


def test_what_has_no_optimum_is_refused() -> None:
    for keys, words in (
        (["dynamics.penalty={path=0.0}"], "write path = strength"),
        (["dynamics.ridge=0.1"], "dynamics.ridge: angle lies on a circle"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            optimum("spikes-3", overrides=keys)
        assert words in "\n".join(caught.value.messages)
    with pytest.raises(ConfigurationError, match=r"write penalty = \{ path = 0.01 \}"):
        optimum(parse({"data": {"law": "spikes"}, "network": {}}))
    with pytest.raises(ConfigurationError, match="--radius: angle lies on a circle"):
        optimum("spikes-3", radius=3.0)


def _eta(best: SignedOptimum, angle: float) -> float:
    return float(np.interp(angle, best.angles, best.dual))


def _spurious(best: SignedOptimum) -> float:
    """The place of the highest maximum of eta below its bound."""
    inner = np.flatnonzero((best.dual[1:-1] > best.dual[:-2]) & (best.dual[1:-1] > best.dual[2:])) + 1
    below = inner[best.dual[inner] < 0.99]
    return float(best.angles[below[np.argmax(best.dual[below])]])


def _rows(best: SignedOptimum, *more: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    own = zip(best.positions[:, 0].tolist(), best.positions[:, 1].tolist(), best.weights.tolist(), strict=True)
    return [*((place, sign, weight) for place, sign, weight in own), *more]


@pytest.mark.long
@pytest.mark.parametrize(("growth", "penalty"), [(1.0, 0.01), (4.0, 0.03)])
def test_spurious_mass_decays_at_the_rate_of_the_certificate(tmp_path: Path, growth: float, penalty: float) -> None:
    """A neuron of mass 1e-7 beside the optimum shrinks like exp(-growth lambda (1 - |eta|) t) where eta' = 0."""
    keys = [f"dynamics.penalty={{path={penalty}}}", f"dynamics.growth={growth}"]
    best = optimum("spikes-3", overrides=keys)
    assert isinstance(best, SignedOptimum)
    place = _spurious(best)
    start = started(tmp_path / "start.csv", _rows(best, (place, 1.0, 1e-7)))
    found = solve("spikes-3", overrides=[*keys, start, "time.save=[0.0,20.0,40.0]", "time.end=40"], tolerance=1e-9)
    tiny = np.array([found.law_at(row).weights.min() for row in range(3)])
    rate = growth * penalty * (1.0 - _eta(best, place))
    np.testing.assert_allclose(np.log(tiny / tiny[0]), -rate * np.array([0.0, 20.0, 40.0]), rtol=3e-3, atol=1e-9)


def test_opposite_signs_hardly_cancel(tmp_path: Path) -> None:
    """0.2 of either sign at one place are nothing to the data: their mass falls by lambda (1 -+ eta) alone."""
    best = optimum("spikes-3")
    assert isinstance(best, SignedOptimum)
    place = _spurious(best)
    start = started(tmp_path / "start.csv", _rows(best, (place, 1.0, 0.2), (place, -1.0, 0.2)))
    found = solve("spikes-3", overrides=[start, "time.save=[0.0,20.0]", "time.end=20"])
    own = float(best.weights.sum())
    assert found.risk[0] == pytest.approx(best.risk, abs=1e-14)
    assert found.mass[0] - own == pytest.approx(0.4, rel=1e-12)
    assert 0.25 < found.mass[1] - own < 0.4


def test_growth_alone_is_a_clock() -> None:
    """Without transport growth 4 at t is growth 1 at 4 t."""
    runs = []
    for growth, end in ((1.0, 8.0), (4.0, 2.0)):
        keys = ["dynamics.flow=fisher-rao", f"dynamics.growth={growth}", f"time.end={end}", "time.save=5"]
        runs.append(solve("spikes-3", scheme="characteristics", overrides=keys, tolerance=1e-9))
    np.testing.assert_allclose(runs[0].risk, runs[1].risk, atol=1e-8)
    np.testing.assert_allclose(runs[0].mass, runs[1].mass, atol=1e-8)


def test_data_penalty_and_mass_have_one_scale(tmp_path: Path) -> None:
    """Weights, lambda and the start times 3: masses are 3 times those at 3 t, risks 9 times."""
    runs: list[SolveResult] = []
    even: Array = TURN / 12.0 * np.arange(12.0)
    for scale in (1.0, 3.0):
        rows = [(float(angle), sign, scale / 24.0) for angle in even for sign in (1.0, -1.0)]
        weights = [scale * weight for weight in (1.0, -0.8, 0.6)]
        start = started(tmp_path / f"{scale}.csv", rows)
        keys = [f"data.weights={weights}", f"dynamics.penalty={{path={0.02 * scale}}}", start]
        runs.append(solve("spikes-3", overrides=[*keys, f"time.end={6.0 / scale}", "time.save=4"], tolerance=1e-9))
    np.testing.assert_allclose(runs[1].risk, 9.0 * runs[0].risk, rtol=1e-7)
    np.testing.assert_allclose(runs[1].mass, 3.0 * runs[0].mass, rtol=1e-7)
    np.testing.assert_allclose(runs[1].mean, runs[0].mean, atol=1e-7)


def test_a_run_is_resumed_read_and_drawn(tmp_path: Path) -> None:
    """Bit for bit from where it was interrupted; to a later end within its error."""
    keys, seen = ["time.save=[0.0,0.5,1.0]", "time.end=1"], 0
    whole = solve("spikes-3", tmp_path / "whole.nc", overrides=keys)

    def interrupt(text: str, share: float) -> None:
        nonlocal seen
        seen += share > 0.4
        if seen == 1:
            raise KeyboardInterrupt

    solve("spikes-3", tmp_path / "part.nc", overrides=keys, progress=interrupt)
    again = solve("spikes-3", tmp_path / "part.nc", resume=True, overrides=keys)
    np.testing.assert_array_equal(again.risk, whole.risk)
    np.testing.assert_array_equal(again.mass, whole.mass)
    later = solve(
        "spikes-3", tmp_path / "part.nc", resume=True, overrides=["time.save=[0.0,0.5,1.0,2.0]", "time.end=2"]
    )
    assert later.mass[3] > whole.mass[2]
    read = load(tmp_path / "whole.nc")
    assert isinstance(read, SolveResult)
    assert read.moment_names == ("cos_angle", "sin_angle", "sign")
    np.testing.assert_array_equal(read.mean, whole.mean)
    assert read.mass_plus is not None
    np.testing.assert_array_equal(read.mass_plus, whole.mass_plus)
    assert read.covariance.shape == (3, 3, 3)
    read.plot(tmp_path / "run.png")


def test_laws_of_unequal_mass_have_no_distance() -> None:
    tables = {"data": {"law": "gaussian-bumps"}, "network": {}, "time": {"end": 0.2, "save": 2}}
    free = solve(parse({**tables, "dynamics": {"mass": "free", "growth": 5.0}}))
    kept = solve(parse(tables))
    assert distance(kept, kept).distance == 0.0
    with pytest.raises(ConfigurationError, match="no transport takes one to the other"):
        distance(kept, free)
    spikes = solve("spikes-3", overrides=["time.end=0.1", "time.save=2"])
    with pytest.raises(ConfigurationError, match="angle lies on a circle"):
        distance(spikes, spikes)
