"""Flows in the clock of the loss: the same paths, and the margins that whole neurons and outputs alone come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import simpson

import mfpde
from mfpde.commands.main import main
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.logarithm import LogarithmicLoss
from mfpde.solvers.objective.losses.logistic import Logistic
from mfpde.solvers.objective.losses.pointwise import PointwiseLoss
from mfpde.solvers.optimum.sphere.hilbert import kernel_margin
from mfpde.studies.run.energy import margin_stands, margin_verdict

X, Y = np.array([-1.0, 0.3, 1.2]), np.array([1.0, -1.0, 1.0])
LINE = f"""
[data]
law = "dataset"
loss = "logistic"
points = {[[x] for x in X.tolist()]}
values = {Y.tolist()}
[network]
activation = "relu"
coefficients = "trained"
offsets = "trained"
[initial]
w1 = {{ values = [-0.8, 0.5, 0.9] }}
b = {{ values = [-0.45, 0.15, 0.6] }}
a = {{ values = [-1.0, 1.0] }}
"""
OUTPUTS_ALONE = "dynamics.mobility={ w = 0.0, b = 0.0 }"


@pytest.fixture
def line(tmp_path: Path) -> str:
    """Three samples on the line, which no threshold tells apart."""
    path = tmp_path / "line.toml"
    path.write_text(LINE, encoding="utf-8")
    return str(path)


def run(source: str, *overrides: str, **given: Any) -> SolveResult:
    return mfpde.solve(source, overrides=list(overrides), **given)


def logarithmic(y: Array) -> LogarithmicLoss:
    return LogarithmicLoss(PointwiseLoss(np.full(len(y), 1.0 / len(y)), y, Logistic()))


def test_the_gradient_of_log_l_is_that_of_l_over_l() -> None:
    loss, f = logarithmic(Y), np.array([[0.3, 2.0, -1.0], [35.0, -39.0, 41.0], [-7.0, 1.0, 0.0]])
    for outputs in f:
        assert_allclose(loss.gradient(outputs), loss.inner.gradient(outputs) / loss.inner.value(outputs), rtol=1e-13)
        assert_allclose(loss.value(outputs), np.log(loss.inner.value(outputs)), rtol=1e-14)
        assert loss.risk(outputs) == loss.inner.value(outputs)
    assert_allclose(loss.gradient(f), [loss.gradient(outputs) for outputs in f], rtol=1e-15)


def test_nothing_overflows_where_margins_are_thousands() -> None:
    """log L = -min y f + log of the shares, and q is the softmax: closed forms at y f of 1e4."""
    loss, margins = logarithmic(Y), np.array([1e4, 1e4 + 1.0, 2e4])
    shares = np.exp(-(margins - 1e4))
    with np.errstate(all="raise", under="ignore"):
        assert_allclose(loss.value(margins * Y), -1e4 + np.log(shares.sum() / 3.0), rtol=1e-15)
        assert_allclose(loss.gradient(margins * Y), -Y * shares / shares.sum(), rtol=1e-10)
        assert_allclose(loss.gradient(-margins * Y) * loss.value(-margins * Y) < 0.0, Y > 0.0)
    assert loss.risk(margins * Y) == 0.0


@pytest.mark.parametrize("mobility", ["dynamics.mobility={ w = 1.0 }", OUTPUTS_ALONE])
def test_both_clocks_take_the_same_path(line: str, mobility: str) -> None:
    """At s = ∫L dt the run in the clock of the loss has the law, the risk and the margin of the run in t."""
    slow = run(line, mobility, end=6.0, save=121)
    end = float(simpson(slow.risk, x=slow.time))
    fast = run(line, mobility, "time.clock=loss", end=end, save=2)
    assert_allclose(fast.risk[-1], slow.risk[-1], rtol=1e-6)
    for name in ("margin", "kernel_margin"):
        assert_allclose(fast.watched[name][-1], slow.watched[name][-1], rtol=1e-5)
    assert_allclose(fast.mean[-1], slow.mean[-1], atol=1e-6)
    assert_allclose(fast.free_energy, 2.0 * np.log(fast.risk), rtol=1e-9)
    assert fast.balance.max() <= 1e-7 * np.abs(fast.free_energy).max()


PLANE = """
[data]
law = "dataset"
loss = "logistic"
points = [[1.0, 0.0], [0.0, -2.0]]
values = [1.0, -1.0]
[network]
activation = "relu"
coefficients = "trained"
[initial]
points = "neurons.csv"
"""


@pytest.mark.long
def test_whole_neurons_stop_at_the_margin_of_the_variation_norm(tmp_path: Path) -> None:
    """gamma_1 = 2/3, of masses 2/3 at (1, 0) and 1/3 at (0, -1); by their directions the neurons do the same.

    Monotone late and never above; the gap is of the order of 1/M, M about e^(2 gamma_1 s): 5e-4 at the stop.
    """
    (tmp_path / "neurons.csv").write_text("w1,w2,a\n0.8,0.6,1.0\n-0.6,-0.8,-1.0\n0.6,-0.8,1.0\n", encoding="utf-8")
    (tmp_path / "plane.toml").write_text(PLANE, encoding="utf-8")
    asked = "time.clock=loss", "time.until=margin"
    found = run(str(tmp_path / "plane.toml"), *asked, end=10.0, save=21)
    margins = found.watched["margin"]
    assert (np.diff(margins[1:]) > 0.0).all()
    assert 0.0 < 2.0 / 3.0 - margins[-1] < 1e-3
    assert found.time[-1] < 8.0
    assert f"normalised margin {margins[-1]:.6g} at t = {found.time[-1]:g}, which moved" in found.message
    drawn = found.figures()["classes"]().axes[0]
    assert drawn.get_title() == f"$t$ = {found.time[-1]:g}: margin {margins[-1]:.5f}"
    # a kink of each neuron, and one for the legend
    assert len(drawn.lines) == 3 + 1
    turned = run(str(tmp_path / "plane.toml"), *asked, "network.reduction=directions", end=2.0, save=5)
    assert_allclose(turned.watched["margin"], margins[: len(turned.time)], atol=1e-6)


def test_outputs_alone_come_to_the_margin_of_their_kernel(line: str) -> None:
    """gamma_2 of the kernel of the very w and b that stay, by quadratic programming; the gap falls like 1/s."""
    found = run(line, OUTPUTS_ALONE, "time.clock=loss", "time.until=margin", end=1000.0, save=21)
    law = found.law_at(0)
    units = np.maximum(law.points[:, :1] * X + law.points[:, 2:], 0.0)
    best = kernel_margin((law.weights[:, None] * units).T @ units, Y)
    margins = found.watched["kernel_margin"]
    assert (np.diff(margins[1:]) > 0.0).all()
    assert margins[-1] <= best.upper * (1.0 + 1e-9)
    # Richardson's rule for 1/s, then for 1/s^2
    first = [2.0 * margins[2 * k] - margins[k] for k in (5, 10)]
    assert_allclose((4.0 * first[1] - first[0]) / 3.0, best.lower, rtol=0.01)
    assert "does not stand yet; write a later time.end" in found.message


def test_a_margin_stands_where_it_moves_by_a_thousandth_over_a_tenth_of_the_time() -> None:
    times = [0.0, 5.0, 9.0, 10.0]
    assert margin_stands(times, [0.0, 0.2, 0.29975, 0.3])
    assert not margin_stands(times, [0.0, 0.2, 0.2995, 0.3])
    assert not margin_stands(times, [0.0, -0.3, -0.3, -0.3])
    assert not margin_stands([0.0, 10.0], [0.3, 0.3])
    assert "normalised margin 0.3 at t = 10" in margin_verdict(times, [0.0, 0.2, 0.29975, 0.3])


def test_a_separable_problem_is_not_at_rest_and_its_optimum_is_a_direction(line: str) -> None:
    found = run(line, until="stationary", end=60.0, save=4)
    assert found.time[-1] == 60.0
    assert "not stationary by t = 60" in found.message
    assert not mfpde.optimum(line).attained  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["time.clock=loss", "data.loss=square"], "time.clock: no loss here falls for ever and tells its logarithm"),
        (
            ["time.clock=loss", "dynamics.ridge=0.1"],
            "time.clock: ridge, penalty, noise, births and deaths do not share",
        ),
        (["time.until=margin", "network.activation=tanh"], "time.until: margins are those of classes by homogeneous"),
        (["time.until=margin", "data.loss=square"], "time.until: margins are those of classes by homogeneous units"),
        (["time.clock=loss", "solver.scheme=jko"], "log L, whose flow the clock of the loss takes, is not convex"),
    ],
)
def test_what_the_clock_does_not_serve_is_refused(
    line: str, overrides: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", line, *(f"--set={each}" for each in overrides)]) == 2
    assert words in capsys.readouterr().err
