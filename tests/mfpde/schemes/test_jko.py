"""scheme = jko on the command line: the presets against the other schemes, the reference step, resume, solver.step."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfpde import presets
from mfpde.commands.main import main
from mfpde.configuration.sources import load_configuration
from mfpde.results.answers.solve import SolveResult
from mfpde.studies.solve import solve
from tests.reference import values

TIMES = [0.0, 0.1, 0.3, 1.0]
FACTOR = 3.0


@cache
def preset(name: str, scheme: str) -> SolveResult:
    """A preset's first unit of time; of bumps a third of it, movements to 1e-4: births ask for many."""
    bumps = name.startswith("bumps")
    times, loose = TIMES[:-1] if bumps else TIMES, ["solver.tolerance=1e-4"] if bumps and scheme == "jko" else []
    settings = [f"solver.scheme={scheme}", f"time.end={times[-1]}", f"time.save={times}", *loose]
    return solve(load_configuration(name, settings))


OTHERS = ("characteristics", "finite-volume")
MIXTURES = [name for name in presets.names() if name.startswith(("anisotropic", "bumps", "isotropic", "nonmonotone"))]
MIXTURES.remove("anisotropic-relu-trained")
"""Presets on mixtures and bumps of at most two coordinates: in more, minimising movements take minutes."""
PAIRS = [pytest.param(*pair) for pair in itertools.product(MIXTURES, OTHERS)]


@pytest.mark.long
@pytest.mark.parametrize(("name", "other"), PAIRS)
def test_presets_agree_with_the_other_schemes_within_the_errors_they_state(name: str, other: str) -> None:
    """|R - R_other| <= 3 (risk_error + risk_error_other) at every time; the errors stated are small themselves."""
    found, expected = preset(name, "jko"), preset(name, other)
    assert found.status == expected.status == "success"
    allowed = FACTOR * (found.risk_error + expected.risk_error)
    assert np.all(np.abs(found.risk - expected.risk) <= allowed), (found.risk - expected.risk, allowed)
    assert found.risk_error.max() < 1e-2 * found.risk[0]
    assert np.diff(found.free_energy).max() <= 1e-13 * found.free_energy[0]
    assert found.free_energy[-1] < (1.0 - 1e-3) * found.free_energy[0]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    return out


def test_the_one_step_of_the_reference_with_its_residual(capsys: pytest.CaptureFixture[str]) -> None:
    """solver.step = .05 is one step of that length, order 1 the plain movement: R, mean and variance to 1e-8."""
    (entry,) = values()["jko_one_step"]
    activation = values()["conventions"]["activations"]["M"]
    options = ["time.end=0.05", "time.save=[0.0, 0.05]", "solver.step=0.05", "solver.order=1", "solver.tolerance=1e-8"]
    knots = {"network.activation.knots": activation["knots"], "network.activation.values": activation["values"]}
    options += [f"{key}={value}" for key, value in knots.items()] + ["data.delta=0.8", "initial.kappa=0.8"]
    pairs = [part for option in options for part in ("--set", option)]
    seen = printed(capsys, "solve", "isotropic-gaussians", "--scheme", "jko", *pairs)
    assert seen["scheme"] == "jko"
    assert seen["risk"][-1] == pytest.approx(entry["R"][0], abs=1e-8)
    assert seen["mean"]["r1"][-1] == pytest.approx(entry["mean_r"][0], abs=1e-8)
    assert seen["variance"]["r1"][-1] == pytest.approx(entry["var_r"][0], abs=1e-8)
    assert len(seen["residual"]) == 2
    assert 0.0 <= seen["residual"][-1] < 1e-10


def test_the_step_is_fixed_and_only_save_times_cut_it() -> None:
    """Plain steps of .1 to t = .3: twice with a save time where a step ends, and once with one that cuts it."""

    def risk(save: str, step: float) -> float:
        options = ["solver.scheme=jko", f"solver.step={step}", "solver.order=1", "time.end=0.3", f"time.save={save}"]
        return float(solve(load_configuration("nonmonotone-success", options)).risk[-1])

    whole = risk("[0.0, 0.3]", 0.1)
    assert risk("[0.0, 0.1, 0.3]", 0.1) == pytest.approx(whole, abs=1e-12)
    cut, finer = risk("[0.0, 0.05, 0.3]", 0.1), risk("[0.0, 0.3]", 0.05)
    assert abs(finer - whole) > 1e-4
    assert 1e-6 < abs(cut - whole) < abs(finer - whole)


@pytest.mark.parametrize("options", [[], ["solver.step=0.25"], ["solver.step=0.25", "solver.order=1"]])
def test_a_resumed_run_is_the_uninterrupted_one(options: list[str], tmp_path: Path) -> None:
    settings = ["solver.scheme=jko", "time.end=2.0", "time.save=[0.0, 0.3, 1.0, 2.0]", *options]
    configuration = load_configuration("anisotropic-relu-infinite", settings)
    once = solve(configuration)
    path = tmp_path / "run.nc"

    def interrupt(text: str, fraction: float = 0.0) -> None:
        if fraction > 0.4:
            raise KeyboardInterrupt

    stopped = solve(configuration, path, progress=interrupt)
    assert stopped.status == "interrupted"
    assert 0 < len(stopped.time) < len(once.time)
    solve(configuration, path, resume=True)
    again = SolveResult.load(path)
    for name in ("time", "risk", "risk_error", "free_energy", "dissipated", "mean", "variance", "weight", "position"):
        assert np.array_equal(getattr(again, name), getattr(once, name), equal_nan=True), name
    assert again.residual is not None
    assert once.residual is not None
    assert np.array_equal(again.residual, once.residual)
