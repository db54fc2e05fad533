"""Families of configurations by --vary."""

from io import BytesIO

import pytest

from mfpde import presets
from mfpde.configuration.families import Family, Variation, distinct, read_variation
from mfpde.configuration.sources import load_configuration
from mfpde.errors import ConfigurationError
from mfpde.problem.laws.gaussian_mixture import GaussianMixture
from mfpde.problem.problem import build_problem


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("data.delta=0.1:0.9", (0.1, 0.3, 0.5, 0.7, 0.9)),
        ("data.delta=0.2:0.4:3", (0.2, 0.3, 0.4)),
        ("data.delta = 0.1,0.25, 0.5", (0.1, 0.25, 0.5)),
        ("initial.a=-1:1:2", (-1.0, 1.0)),
    ],
)
def test_the_forms_of_a_variation(text: str, values: tuple[float, ...]) -> None:
    found = read_variation(text, count=5, most=100)
    assert found.values == values
    assert found.key == text.partition("=")[0].strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "delta=0.1:0.9",
        "data.delta",
        "data.delta=0.1",
        "data.delta=0.9:0.1",
        "data.delta=0.1:0.9:1",
        "data.delta=0.1:0.9:-4",
        "data.delta=0.1:0.9:3:4",
        "data.delta=0.1:nan",
        "data.delta=0.1:inf:3",
        "data.delta=low:high",
        "data.delta=0.3,0.2",
        "data.delta=0.3,0.3",
        "data.delta=0.1:0.9:101",
        "data.delta=0.1:0.9:99999999999999",
    ],
)
def test_a_variation_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--vary .*write for example --vary initial\.kappa=0\.05:1\.0:40"):
        read_variation(text, count=5, most=100)


def test_the_values_of_a_family_reach_the_configuration_after_its_overrides() -> None:
    family = Family(
        "isotropic-gaussians",
        ("data.delta=0.3", "time.end=2"),
        (Variation("data.delta", (0.1, 0.9)), Variation("data.dims", (20.0, 40.0))),
    )
    configuration = family.at(0.45, 30.0)
    assert isinstance(configuration.data, GaussianMixture)
    assert (configuration.data.delta, configuration.data.dims, configuration.time.end) == (0.45, (30,), 2.0)


def test_a_key_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean data\.delta"):
        Family("isotropic-gaussians", (), (Variation("data.detla", (0.1, 0.9)),)).at(0.1)


def test_one_key_is_not_varied_twice() -> None:
    once = Variation("data.delta", (0.1, 0.9))
    with pytest.raises(ConfigurationError, match=r"--vary data\.delta: varied twice"):
        distinct([once, once])


def test_an_experiment_is_varied_like_the_file_it_comes_from() -> None:
    overrides = ["time.end=2.0", "data.dims=10"]
    experiment = load_configuration("isotropic-gaussians", overrides)
    vary = {"initial.kappa": (0.2, 0.4)}
    assert Family.of(experiment, vary).at(0.4) == Family.of("isotropic-gaussians", vary, overrides).at(0.4)
    with pytest.raises(ConfigurationError, match=r"a problem made in Python has no keys to override"):
        Family.of(build_problem(experiment), vary).at(0.4)


@pytest.mark.parametrize(
    ("key", "value"), [("data.delta", 0.625), ("data.dims", 11.0), ("dynamics.ridge", 0.01), ("dynamics.ridge.w", 0.01)]
)
def test_a_member_beside_another_is_the_one_that_is_read(key: str, value: float) -> None:
    """Numbers are replaced; lists and tables are read: the same configuration, whichever way."""
    overrides = ("time.end=2",)
    family = Family.of("isotropic-gaussians", {key: (value, 20.0)}, overrides)
    first = family.at(20.0) if key == "data.dims" else load_configuration("isotropic-gaussians", overrides)
    assert family.near(first, value) == family.at(value)


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = BytesIO(presets.text("isotropic-gaussians").encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    family = Family.of("-", {"initial.kappa": (0.2, 0.4)})
    assert [family.at(kappa).initial.kappa for kappa in (0.2, 0.4)] == [0.2, 0.4]
