"""SGD of a user's activation and of a user's data law, from files and from objects made in Python."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import mfpde
import mfpde.studies.sgd.replicas as study
from mfpde.commands.main import main
from mfpde.configuration.sources import experiment_of
from mfpde.errors import ConfigurationError
from mfpde.solvers.arrays import Array
from mfpde.studies.compare.compare import compare
from mfpde.studies.compare.coupled import coupled
from mfpde.studies.sgd.refusals import refuse
from mfpde.studies.sgd.replicas import sgd

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
LAW = ["--use", str(EXAMPLES / "own_law.py"), "--set", "sgd.step_size=1e-3", "--set", "time.end=1.0"]
SMALL = ["data.dims=6", "sgd.neurons=20", "sgd.step_size=0.005", "time.end=0.5", "time.save=3"]
SETS = [part for key in SMALL for part in ("--set", key)]

SLOW = """
import numpy as np
from scipy import special
import mfpde


@mfpde.activation("error-function")
class ErrorFunction:
    def value(self, u):
        return special.erf(u)

    def slope(self, u):
        return 2.0 / np.sqrt(np.pi) * np.exp(-u * u)
"""


class Drawn(mfpde.GaussianMixture):
    """The isotropic mixture, by draws of its own and without an exact risk."""

    name = "drawn"

    def sampler(self) -> Drawn:
        return self

    def population(self, sampler: Any, activation: Any) -> None:
        return None

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        label = generator.choice([-1.0, 1.0], count)
        scale = np.where(label > 0.0, *self.block_scales[0])
        x: Array = scale[:, None] * generator.standard_normal((count, self.sizes[0]))
        return x, label

    def embed(self, points: Array, generator: np.random.Generator) -> Array:
        w = generator.standard_normal((len(points), self.sizes[0]))
        return np.asarray(w * points / np.linalg.norm(w, axis=1, keepdims=True))

    def reduce(self, w: Array) -> Array:
        return np.asarray(np.linalg.norm(w, axis=1, keepdims=True))


def made(law: mfpde.GaussianMixture, activation: Any, **options: Any) -> mfpde.Experiment:
    """A problem made in Python, with a few neurons and steps."""
    problem = mfpde.Problem(law, mfpde.Network(activation))
    return experiment_of(problem, **{"neurons": 40, "step_size": 2e-3, "end": 0.5, "save": 3, **options})


def test_the_activation_of_a_file_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--use", str(EXAMPLES / "own_activation.py"), "--set", "network.activation=softplus", "--json"]
    assert main(["sgd", "isotropic-gaussians", *SETS, *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["engine"] == "compiled"
    assert found["risk_error"] == [[0.0, 0.0, 0.0]]
    assert found["risk"][0][2] < found["risk"][0][0]


def test_an_activation_that_is_not_compiled_makes_the_same_steps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    runs = []
    for name in ("error-function", "erf"):
        options = ["--use", str(file), "--set", f"network.activation={name}"]
        assert main(["sgd", "isotropic-gaussians", *SETS, *options, "--json"]) == 0
        runs.append(json.loads(capsys.readouterr().out))
    assert [run["engine"] for run in runs] == ["numpy", "compiled"]
    np.testing.assert_allclose(runs[0]["risk"], runs[1]["risk"], rtol=1e-12)
    np.testing.assert_allclose(runs[0]["mean"]["r1"], runs[1]["mean"]["r1"], rtol=1e-12)
    assert main(["sgd", "isotropic-gaussians", *SETS, *options[:2], "--set", "network.activation=error-function"]) == 0
    assert "by NumPy, which takes the place of compiled loops" in capsys.readouterr().out
    options += ["--set", "network.activation=error-function", "--set", "sgd.state=gram", "--set", "data.dims=200"]
    assert main(["sgd", "isotropic-gaussians", *SETS, *options]) == 2
    assert 'the activation "error-function" is not compiled; write state = "weights"' in capsys.readouterr().err


def test_a_law_of_a_file_is_compared_with_its_equation(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", str(EXAMPLES / "own_law.toml"), *LAW, "--set", "sgd.neurons=2000", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    # the error of the measurement is below 2.5e-3, 1/sqrt(N) is .02
    assert 0.0 < found["sup_gap"][0] < 0.02
    assert found["risk_pde"][-1] < 0.75 * found["risk_pde"][0]
    assert any("measured on samples, with a standard error of up to" in note for note in found["notes"])
    assert any(
        'left out (data.law): the coupled dynamics need exact gradients, which "sine" does' in note
        for note in found["notes"]
    )


def test_a_run_on_drawn_samples_goes_on_bit_for_bit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = ["sgd.replicas=2", "sgd.neurons=20", "sgd.step_size=1e-3", "time.end=0.9", "time.save=4"]
    law = mfpde.load_configuration(str(EXAMPLES / "own_law.toml"), keys, use=[EXAMPLES / "own_law.py"])
    whole = sgd(law, workers=1)
    path, advance = tmp_path / "run.nc", study.advance_replicas
    calls = 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(study, "advance_replicas", interrupted)
    assert sgd(law, path, workers=1).status == "interrupted"
    monkeypatch.undo()
    again = sgd(law, path, workers=1, resume=True)
    assert again.status == "success"
    for key in ("risk", "risk_error", "position"):
        assert np.array_equal(getattr(whole, key), getattr(again, key)), key
    assert np.all(whole.risk_error > 0.0)


def test_drawn_samples_give_the_risks_of_the_law_they_are_drawn_from() -> None:
    drawn, exact = (
        sgd(made(law(delta=0.8, dims=(6,)), "relu", neurons=400, replicas=2), workers=1)
        for law in (Drawn, mfpde.GaussianMixture)
    )
    # both start from draws of one law; the gap is that of 400 neurons and of 20000 test samples
    gap = np.abs(drawn.risk.mean(axis=0) - exact.risk.mean(axis=0))
    assert np.all(gap < 0.05 * exact.risk.mean(axis=0))
    assert np.all(np.abs(drawn.mean.mean(axis=0) - exact.mean.mean(axis=0)) < 0.01)


def test_functions_without_a_name_stay_in_this_process() -> None:
    activation = mfpde.Activation(value=np.tanh, slope=lambda u: 1.0 - np.tanh(u) ** 2)
    found = sgd(made(mfpde.GaussianMixture(delta=0.8, dims=(6,)), activation, replicas=2), workers=2)
    expected = sgd(made(mfpde.GaussianMixture(delta=0.8, dims=(6,)), "tanh", replicas=2), workers=1)
    np.testing.assert_allclose(found.risk, expected.risk, rtol=1e-11)


def test_exact_dynamics_of_a_given_activation_are_those_of_the_one_it_copies() -> None:
    law = mfpde.GaussianMixture(delta=0.8, dims=(6,))
    given = mfpde.Activation(value=special.erf, slope=lambda u: 2.0 / np.sqrt(np.pi) * np.exp(-u * u))
    runs = [coupled(made(law, unit, neurons=6, step_size=5e-3, end=0.05), stride=1) for unit in (given, "erf")]
    for key in ("pde", "nd", "pd", "gd", "sgd"):
        np.testing.assert_allclose(runs[0].risk[key], runs[1].risk[key], rtol=1e-9, err_msg=key)


def test_compare_leaves_out_what_needs_exact_moments() -> None:
    found = compare(made(Drawn(delta=0.8, dims=(6,)), "relu", scheme="characteristics"), coupled=False, workers=1)
    assert found.status == "success"
    assert np.all(np.isnan(found.fluctuation))
    assert np.all(np.isnan(found.monte_carlo))
    assert np.all(np.isnan(found.monte_carlo_error))
    assert set(found.figures()) == {"compare_risk", "compare_statistics", "compare_law"}


class Misshapen(Drawn):
    """Draws too few columns."""

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        return np.zeros((count, 2)), np.zeros(count)


class Unreduced(Drawn):
    """Reduces to a vector."""

    def reduce(self, w: Array) -> Array:
        return np.asarray(w[:, 0])


class OwnUnits(Drawn):
    """Units that are not those of [network]."""

    network_keys = ()


class OtherLoss(Drawn):
    """Another loss, of which its words say nothing."""

    def features(self, *given: Any) -> mfpde.Expansion:
        made = super().features(*given)
        features = made.objective.features
        loss = mfpde.nodal_loss("log-cosh", np.ones(features.rank), np.ones(features.rank))
        return replace(made, objective=mfpde.Objective(features, loss))


class NamedLoss(OtherLoss):
    """The same, said in words."""

    @property
    def risk_name(self) -> str:
        return "mean of log cosh"


class NamedRisk(Drawn):
    """The square loss by another name, which is no reason to refuse it."""

    @property
    def risk_name(self) -> str:
        return "mean square error"


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (Misshapen, r'the sampler of "drawn": draw.*x of shape \(256, 2\).*write x of shape \(count, 6\)'),
        (Unreduced, r"reduce\(w\) gives an array of shape \(2,\) for 2 neurons; write it \(2, 1\)"),
        (OwnUnits, 'the units of "drawn" are its own'),
        (OtherLoss, r"SGD descends E\(y - f\)\^2, not the loss of its features; solve the equation alone"),
        (NamedLoss, r"SGD descends E\(y - f\)\^2, not the mean of log cosh"),
    ],
)
def test_what_a_law_cannot_do_is_refused_before_anything_is_computed(law: type[Drawn], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        refuse(made(law(delta=0.8, dims=(6,)), "relu"))


def test_a_square_loss_by_another_name_is_served() -> None:
    refuse(made(NamedRisk(delta=0.8, dims=(6,)), "relu"))
