"""Branches of stationary laws: folds, exchanges of stability and optimality against independent equations."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from mfpde.commands.main import main
from mfpde.configuration.families import Family, Variation
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.laws.gaussian_mixture import GaussianMixture
from mfpde.problem.problem import build_problem
from mfpde.results.answers.branches import Branches, BranchEvent
from mfpde.results.answers.stationary import Stationary
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.studies.branches.branches import branches
from mfpde.studies.optimum.atoms import optimum_atoms
from mfpde.studies.stationary.stationary import stationary

INFINITE = ("data.dims=infinite", "data.fractions=[1.0]")
DELTA_INFINITE, RADIUS_INFINITE = 0.474219, 1.749455
"""The threshold at d = infinity, of the reference."""


def family(source: str, key: str, low: float, high: float, *overrides: str) -> Family:
    return Family(source, overrides, (Variation(key, (low, high)),))


def followed(varied: Family, **options: Any) -> Branches:
    """The branches of a family."""
    (variation,) = varied.variations
    return branches(varied.source, {variation.key: variation.values}, overrides=varied.overrides, **options)


@cache
def infinite() -> Branches:
    return followed(family("isotropic-gaussians", "data.delta", 0.3, 0.9, *INFINITE), most_atoms=1)


@cache
def two_atoms() -> Branches:
    return followed(family("isotropic-gaussians", "data.delta", 0.38, 0.6), most_atoms=2)


def events(result: Branches, kind: str) -> list[BranchEvent]:
    return [event for branch in result.branches for event in branch.events if kind in event.kind.split("+")]


def q(t: float) -> tuple[float, float]:
    """E sigma(t G) = -2.5 + 10 E[(t G - .5)_+ - (t G - 1.5)_+] of the preset's activation, and its derivative."""
    low, high = 0.5 / t, 1.5 / t
    ramps = [t * stats.norm.pdf(k) - k * t * stats.norm.sf(k) for k in (low, high)]
    return -2.5 + 10.0 * (ramps[0] - ramps[1]), 10.0 * (stats.norm.pdf(low) - stats.norm.pdf(high))


@pytest.mark.long
def test_the_threshold_at_infinite_dimension() -> None:
    """One atom has zero risk at Delta_inf alone, ceases to be optimal there, and begins to split there."""
    result = infinite()
    (event,) = events(result, "splitting")
    assert event.parameter == pytest.approx(DELTA_INFINITE, abs=1e-6)
    assert event.positions[0, 0] == pytest.approx(RADIUS_INFINITE, abs=1e-6)
    assert event.risk < 1e-14
    assert event.error < 1e-9
    (span,) = result.optimal
    assert span.low == 0.3
    assert span.high == pytest.approx(event.parameter, abs=1e-6)
    assert [atoms for _, atoms, _ in span.certified] == [1, 2]
    assert all(certified for _, _, certified in span.certified)
    assert q((1.0 + event.parameter) * event.positions[0, 0])[0] == pytest.approx(1.0, abs=1e-9)
    assert q((1.0 - event.parameter) * event.positions[0, 0])[0] == pytest.approx(-1.0, abs=1e-9)


def test_the_fold_at_infinite_dimension_solves_its_own_equations() -> None:
    """F'(r) = F''(r) = 0 of F(r) = R(delta_r) = (1 - q(t+))^2 / 2 + (1 + q(t-))^2 / 2, with q by quadrature."""
    (event,) = events(infinite(), "fold")

    def slope(r: float, delta: float) -> float:
        (plus, plus_slope), (minus, minus_slope) = q((1.0 + delta) * r), q((1.0 - delta) * r)
        return (plus - 1.0) * plus_slope * (1.0 + delta) + (minus + 1.0) * minus_slope * (1.0 - delta)

    # along the curve of critical points the parameter turns: it is least there
    radius = float(event.positions[0, 0])

    def parameter(r: float) -> float:
        return float(optimize.brentq(lambda delta: slope(r, delta), event.parameter - 0.01, event.parameter + 0.01))

    shift = 0.05
    left, middle, right = parameter(radius - shift), parameter(radius), parameter(radius + shift)
    assert middle == pytest.approx(event.parameter, abs=1e-9)
    assert left > middle
    assert right > middle
    assert (right - left) / (2.0 * shift) == pytest.approx(0.0, abs=0.1 * (left + right - 2.0 * middle) / shift)
    assert event.error < 1e-9


@pytest.mark.long
def test_the_optimum_of_finite_dimension_ceases_to_be_one_atom_before_the_atom_splits() -> None:
    """At d = 40 mass leaves for the end of the box first: the certified optimum agrees 1e-4 to both sides."""
    result = two_atoms()
    (span,) = result.optimal
    assert span.high == pytest.approx(0.432018763, abs=1e-8)
    splitting = min(event.parameter for event in events(result, "splitting") if len(event.masses) == 1)
    assert splitting == pytest.approx(0.442436015, abs=1e-8)
    for shift, atoms in ((-1e-4, 1), (1e-4, 2)):
        best = optimum_atoms(result_family().at(span.high + shift), 10.0, growth=())
        assert best.certified
        assert len(best.weights) == atoms


def result_family() -> Family:
    return family("isotropic-gaussians", "data.delta", 0.38, 0.6)


def test_every_law_of_a_branch_is_stationary() -> None:
    """grad G vanishes at every atom, on branches of one and of two atoms, and masses are those of the start."""
    result = two_atoms()
    assert {len(branch.laws[0].masses) for branch in result.branches} == {1, 2}
    for branch in result.branches:
        for law in branch.laws[:: max(1, len(branch.laws) // 4)]:
            problem = build_problem(result_family().at(law.parameter))
            objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 10.0)), 1e-13).objective
            landscape = Landscape(objective, problem.geometry, problem.flow)
            atoms = Atoms(law.positions, law.masses)
            gradient = landscape.potential(law.positions, landscape.outputs(atoms))[1]
            assert np.max(np.abs(gradient[law.positions < 10.0])) < 1e-10
            assert law.masses == pytest.approx(branch.laws[0].masses, abs=0.0)
            assert law.gap_bound >= 0.0


def test_a_branch_of_two_atoms_begins_where_the_one_atom_begins_to_split() -> None:
    result = two_atoms()
    halves = next(branch for branch in result.branches if len(branch.laws[0].masses) == 2)
    meeting = min((halves.laws[0], halves.laws[-1]), key=lambda law: float(np.ptp(law.positions)))
    assert np.ptp(meeting.positions) == pytest.approx(1e-2, rel=1e-6)
    one = min(event.parameter for event in events(result, "splitting") if len(event.masses) == 1)
    assert meeting.parameter == pytest.approx(one, abs=2e-4)


@pytest.mark.long
def test_an_atom_leaves_an_axis_where_the_branch_off_it_begins() -> None:
    """Two blocks: splitting across r2 = 0 on the axis, and the branch inside that meets the axis, at one Delta."""
    activation = "network.activation={knots=[0.5,1.5],values=[-2.5,7.5]}"
    infinite = "data.dims=infinite", "data.fractions=[0.1875, 0.8125]"
    varied = family("anisotropic-relu", "data.delta", 0.47, 0.48, activation, *infinite)
    result = followed(varied, most_atoms=1, radius=4.0)
    leaves = [event for event in events(result, "drift") if "splitting" in event.kind]
    (event,) = (event for event in leaves if event.positions[0, 1] == 0.0)
    inside = next(branch for branch in result.branches if branch.laws[0].positions.min() > 0.0)
    ends = [law for law in (inside.laws[0], inside.laws[-1]) if law.positions[0, 1] < 1e-4]
    assert event.parameter == pytest.approx(DELTA_INFINITE, abs=1e-6)
    assert [law.parameter for law in ends] == pytest.approx([event.parameter], abs=1e-8)
    assert ends[0].positions[0, 0] == pytest.approx(event.positions[0, 0], abs=1e-7)


@pytest.mark.long
def test_births_make_the_masses_unknowns() -> None:
    """With birth and death a law on two atoms is isolated: equal G on the atoms all along the branch."""
    births = ("dynamics.flow=wasserstein-fisher-rao", "dynamics.fisher_rao_rate=1.0", "dynamics.ridge=0.001")
    varied = family("isotropic-gaussians", "data.delta", 0.69, 0.7, *births)
    result = followed(varied, most_atoms=3)
    pairs = [branch for branch in result.branches if len(branch.laws[0].masses) > 1]
    assert {len(branch.laws[0].masses) for branch in pairs} == {2, 3}
    assert all(abs(np.diff([law.masses[0] for law in branch.laws])).max() > 1e-6 for branch in pairs)
    for branch in pairs:
        for law in branch.laws:
            problem = build_problem(varied.at(law.parameter))
            objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 10.0)), 1e-13).objective
            landscape = Landscape(objective, problem.geometry, problem.flow)
            atoms = Atoms(law.positions, law.masses)
            value, gradient = landscape.potential(law.positions, landscape.outputs(atoms))
            assert np.ptp(value) < 1e-10
            assert np.max(np.abs(gradient)[law.positions > 0.0]) < 1e-10
            assert law.masses.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["initial.kappa=0.1:0.9"], "--vary initial.kappa: does not change the stationary laws"),
        (["time.end=1:9"], "--vary time.end: does not change the stationary laws"),
        (["data.dims=20:40"], "data.dims = .*: must be a list of integers"),
        (["data.detla=0.1:0.9"], "did you mean data.delta"),
        (["data.delta=0.1:1.5"], "data.delta = 1.5: must be a number"),
        (["data.delta=0.9:0.1"], "needs two or more finite numbers, increasing"),
        (["data.delta=0.1:0.9", "dynamics.ridge=0:1"], "branches are followed in one key"),
    ],
)
def test_what_cannot_be_followed_is_named(vary: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [part for text in vary for part in ("--vary", text)]
    assert main(["branches", "isotropic-gaussians", *arguments]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_every_mistake_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["branches", "isotropic-gaussians", "--vary", "delta", "--radius", "-1", "--atoms", "9"])
    text = capsys.readouterr().err
    assert code == 2
    for part in ("--vary delta", "--radius -1", "--atoms 9"):
        assert part in text


def test_noise_is_refused() -> None:
    noisy = ("dynamics.inverse_temperature=10.0", "dynamics.ridge=0.1")
    with pytest.raises(ConfigurationError, match="the only stationary law is the Gibbs law"):
        followed(family("isotropic-gaussians", "data.delta", 0.3, 0.5, *noisy))


@pytest.mark.long
def test_the_command_writes_json_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = [part for text in INFINITE for part in ("--set", text)]
    output = tmp_path / "out.json"
    arguments = ["--vary", "data.delta=0.46:0.48:2", "--atoms", "1", "-o", str(output)]
    code = main(
        ["branches", "isotropic-gaussians", *overrides, *arguments, "--plot", str(tmp_path / "figures"), "--json"]
    )
    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    written = json.loads(output.read_text())
    # and what a search can be gone on from
    added = {name: written[name] for name in ("begun", "checksum")}
    assert written == {**printed, "format": "mfpde branches 1", **added}
    assert printed["key"] == "data.delta"
    assert [event["kind"] for event in printed["events"]] == ["splitting"]
    assert printed["events"][0]["parameter"] == pytest.approx(DELTA_INFINITE, abs=1e-6)
    assert printed["one_atom_optimal"][0]["range"][1] == pytest.approx(DELTA_INFINITE, abs=1e-6)
    assert printed["branches"][1]["points"][0]["stable"] is True
    assert (tmp_path / "figures" / "branches.png").stat().st_size > 10_000


def test_laws_are_searched_for_at_the_values_and_an_interruption_keeps_the_branches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At 3 of .46, .47 and .48, and Ctrl-C at the third: branches of two, exit code 130, then the rest."""
    searched = []

    def watched(configuration: Experiment, *arguments: Any, **options: Any) -> Stationary:
        assert isinstance(configuration.data, GaussianMixture)
        searched.append(configuration.data.delta)
        if len(searched) == 3:
            raise KeyboardInterrupt
        return stationary(configuration, *arguments, **options)

    monkeypatch.setattr("mfpde.studies.branches.branches.stationary", watched)
    overrides = [part for text in INFINITE for part in ("--set", text)]
    arguments = ["--vary", "data.delta=0.46:0.48:3", "--atoms", "1", "--json"]
    command, place = ["branches", "isotropic-gaussians", *overrides, *arguments], tmp_path / "out.json"
    assert main([*command, "-o", str(place)]) == 130
    assert searched == [0.46, 0.47, 0.48]
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "interrupted"
    assert len(printed["branches"]) == 2
    assert printed["one_atom_optimal"] == []
    assert "interrupted after 2 of 3 values; continue with --resume" in printed["completeness"][-1]
    assert main([*command, "-o", str(place), "--resume", "--radius", "9"]) == 2
    assert "holds branches of another --radius, 10; resume with the same values" in capsys.readouterr().err
    assert main([*command, "-o", str(place), "--resume"]) == 0
    assert searched == [0.46, 0.47, 0.48, 0.48]
    resumed = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    assert resumed == json.loads(capsys.readouterr().out)
    assert main([*command, "-o", str(place), "--resume"]) == 0
    assert resumed == json.loads(capsys.readouterr().out)
