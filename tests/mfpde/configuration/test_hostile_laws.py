"""Hostile configurations of the laws with teachers, given atoms, mobilities and scales: words for every mistake."""

from __future__ import annotations

import random
import re
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import to_tables
from mfpde.errors import ConfigurationError
from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.problem.initial.radial import radial_law
from mfpde.problem.marginals import Normal, Uniform, Values
from mfpde.problem.problem import Problem
from mfpde.studies.check import check

Tables = dict[str, dict[str, Any]]
REMEDY = re.compile("write|did you mean|leave|solve the equation alone")
ODD = [
    *("nan", "", "Infinite", float("nan"), float("inf"), -1, 0, -0.0, 1, 2.5, 5e-324, 1e308, 1e-6, 1e6, 10**20),
    *(True, [], [[]], [1], [0.5, -0.5], [0, 0, 0], [0.25] * 4, {}, {"x": 1}, ["a"], "infinite"),
]
TARGETS = [
    *("sign", "gelu", "ERF", {"hermite": []}, {"hermite": [1, 0, 0]}, {"hermite": [0] * 20 + [1]}, {"hermite": "a"}),
    *({"hermite": [0, 1e-6]}, {"hermite": [1e6, 1e-6]}, {"knots": [0, 1], "values": [1, 1]}, {"knots": [1, 2]}),
    *({"knots": [50, 51], "values": [0, 1]}, {"knots": [0, 0], "values": [0, 1]}, {"knots": [1], "values": [1, 2]}),
    *([], ["erf"], ["erf", "tanh"], ["erf", {"hermite": [1, 0]}], ["nope", 3], [["erf"]], ["relu"] * 3),
]
LAWS = [
    *(0.5, "two", [1], {"normal": [0, 1]}, {"normal": [0, 0]}, {"normal": [1, -1]}, {"normal": [1e6, 1e6]}),
    *({"uniform": [1, 0]}, {"uniform": [0, 1e-7]}, {"values": []}, {"values": [1, 2], "weights": [1]}),
    *({"values": [1, 2], "weights": [-1, 2]}, {"values": [1, 2], "weights": [0, 0]}, {"weights": [1]}),
    *({"values": [1] * 1001}, {"values": [1, 2], "normal": [0, 1]}, {"table": [[0, 1], [0, 0]]}, {"table": []}, {}),
]
MOBILITIES = [
    *({"w": 0}, {"a": 2}, {"b": 2}, {"w": -1}, {"w": float("nan")}, {"c": 1}, {}, 1, [], {"w": 1e-9}, {"w": [1]}),
    *({"w": 0, "a": 1}, {"w": 1, "a": 0, "b": 0}),
]
FILES: dict[str, str | bytes] = {
    "good": "w_par,w_perp\n0.1,0.8\n0.2,0.7\n",
    "radii": "r1\n0.5\n0.6\n",
    "other": "w1,w2,w_perp\n0.1,0.2,0.8\n",
    "unknown": "w_par,w_perp,foo\n0.1,0.8,3\n",
    "missing": "w_par\n1\n",
    "empty": "",
    "header": "w_par,w_perp\n",
    "latin": b"w_par,w_perp\n\xff,1\n",
    "words": "w_par,w_perp\nx,nan\n1e400,\n1\n1,2,3\n",
    "negative": "w_par,w_perp,weight\n0.1,-0.8,-1\n",
    "twice": "w_par,w_par\n1,2\n",
    "nameless": "w_par,,w_perp\n1,2,3\n",
    "quote": '"w_par,w_perp\n1,2\n',
    "escape": "\x1b[31mw_par,w_perp\n1,1\n",
    "zero": b"w_par,w_perp\n\x00,1\n",
    "huge": "w_par,w_perp\n1e7,-1\n",
}
KEYS: dict[str, list[Any]] = {
    "data.dim": ODD,
    "data.weights": ODD,
    "data.target": TARGETS,
    "data.inputs": ["sphere", "torus", 1],
    "data.noise": ODD,
    "data.dims": [*ODD, [10**6], [2, 3]],
    "network.scale": ODD,
    "network.centred": ["true", True, 1],
    "network.coefficients": ["trained", "Trained", 1],
    "network.offsets": ["none", "fixed", "trained", True],
    "initial.kappa": ODD,
    "initial.w_par": LAWS,
    "initial.w1": LAWS,
    "initial.w3": LAWS,
    "initial.a": LAWS,
    "initial.b": LAWS,
    "initial.points": [*FILES, 1, {}, {"file": 1}, ""],
    "dynamics.mobility": MOBILITIES,
    "dynamics.ridge": ODD,
    "dynamics.inverse_temperature": [10, 0, 1e-6],
    "dynamics.flow": ["fisher-rao", "wasserstein-fisher-rao"],
    "dynamics.fisher_rao_rate": [1, -1],
    "solver.neurons": ["actual", "Actual", 40, True, []],
    "solver.scheme": ["particles", "characteristics", "finite-volume", "jko"],
    "sgd.neurons": [1, 3, 0],
}


class Burst:
    """exp(.3 u^2), whose square has no mean under the normal law."""

    def value(self, u: Any) -> Any:
        return np.exp(np.minimum(0.3 * u * u, 700.0))

    def slope(self, u: Any) -> Any:
        return 0.6 * u * self.value(u)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("points")
    for name, content in FILES.items():
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def made(source: random.Random, folder: Path) -> Tables:
    """Tables of one of the laws, one to six keys of which have odd values."""
    units = {
        "activation": source.choice(["erf", "relu", "tanh"]),
        "coefficients": source.choice(["fixed", "trained"]),
        "offsets": source.choice(["none", "fixed", "trained"]),
    }
    k = source.choice([1, 2, 3])
    laws: list[dict[str, Any]] = [
        {"law": "single-index", "dim": source.choice([1, 2, 40, "infinite"]), "target": source.choice(["erf", "relu"])},
        {"law": "multi-index", "dim": source.choice([k, 10, "infinite"]), "weights": [0.5] * k, "target": ["erf"] * k},
        {"dims": source.choice([[40], [60, 260], [1], [2, 20]]), "delta": 0.8},
    ]
    names = ("network", "initial", "dynamics", "solver", "sgd")
    tables: Tables = {"data": source.choice(laws), **{name: {} for name in names}, "time": {"end": 1.0, "save": 3}}
    tables["network"] = units
    for _ in range(source.choice([1, 1, 2, 3, 6])):
        table, name = source.choice(list(KEYS)).split(".")
        value = source.choice(KEYS[f"{table}.{name}"])
        tables[table][name] = str(folder / value) if isinstance(value, str) and value in FILES else value
    return tables


@pytest.mark.parametrize("seed", range(16))
def test_anything_is_read_or_refused_in_words(seed: int, folder: Path) -> None:
    source, begun = random.Random(seed), process_time()
    for _ in range(25):
        tables = made(source, folder)
        try:
            experiment = parse(tables)
        except ConfigurationError as error:
            messages = list(error.messages)
            assert len(set(messages)) == len(messages), tables
        else:
            assert parse(to_tables(experiment)) == experiment
            found = check(experiment)
            messages = [words for service in (*found.schemes, *found.commands) for words in service.refusals]
        for words in messages:
            assert REMEDY.search(words), (words, tables)
            assert words.isprintable(), (words, tables)
            assert ": " in words
            assert len(words) < 500
    # one law of five coordinates once took sixteen seconds to be refused
    assert process_time() - begun < 10.0


FLAT = {"knots": [0, 1], "values": [1, 1]}
NOISY = {"inverse_temperature": 10.0, "ridge": 0.1, "mobility": {"a": 2.0, "b": 1.0}}
UNEVEN = {"values": [1, 2], "weights": [1]}
COMMON = [
    "dynamics.mobility.a: a is not trained",
    "dynamics.mobility.b: b is not trained",
    "network.scale = 10: not defined beside dynamics.ridge, dynamics.inverse_temperature",
    'noise is undefined at data.dim = "infinite"',
]
AT_ONCE: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (
        {"law": "single-index", "target": "burst"},
        {"w_par": UNEVEN, "a": {"values": [1, 2], "weights": [-1, 2]}},
        ["data.target: it has no second moment", "initial.w_par.weights = [1]: 1 weights for 2", "initial.a.weights"],
    ),
    ({"law": "single-index", "target": FLAT}, {"points": "latin"}, ["it is constant", "byte 13 is not UTF-8"]),
    (
        {"law": "multi-index", "weights": [0.25] * 4, "target": ["burst", "erf"]},
        {"w1": UNEVEN, "w3": 1.0},
        ["4 directions, but K <= 3", "2 targets for 4 weights", "no second moment", "initial.w1.weights"],
    ),
    ({"law": "multi-index", "weights": [0.5] * 4, "target": FLAT}, {}, ["4 directions", "y is constant"]),
    (
        {"law": "multi-index", "target": FLAT},
        {"points": "words"},
        [
            *("y is constant", "lacks the columns w1, w2", "unknown column w_par"),
            *('row 1, w_par: "x"', '"nan"', '"1e400"', "and 3 more mistakes"),
        ],
    ),
    (
        {"law": "multi-index", "target": ["erf", "erf", "erf"]},
        {"points": "missing", "kappa": 1.0},
        ["3 targets for 2 weights", "lacks the columns w1, w2, w_perp", "unknown column w_par", "given together"],
    ),
    ({"law": "multi-index", "target": []}, {"w1": UNEVEN}, ["0 targets for 2 weights", "initial.w1.weights"]),
    ({"law": "multi-index", "weights": [0.0, 0.0]}, {"points": "empty"}, ["y is constant", "is empty"]),
]


@pytest.mark.parametrize(("data", "initial", "expected"), AT_ONCE)
def test_every_mistake_is_told_at_once(
    data: dict[str, Any], initial: dict[str, Any], expected: list[str], folder: Path
) -> None:
    if "points" in initial:
        initial = {**initial, "points": str(folder / initial["points"])}
    network = {"activation": "erf", "scale": 10.0}
    with ACTIVATIONS.lending({"burst": Burst}), pytest.raises(ConfigurationError) as refused:
        parse({"data": {"dim": "infinite", **data}, "network": network, "initial": initial, "dynamics": NOISY})
    messages = [re.sub(r"^(data\.(target|weights)) = .*?: ", r"\1: ", words) for words in refused.value.messages]
    for words in [*expected, *COMMON]:
        assert sum(words in message for message in messages) == 1, (words, messages)
    assert len(messages) == len(expected) + len(COMMON)


def test_more_directions_than_dimensions_are_one_mistake() -> None:
    data = {"law": "multi-index", "weights": [0.5] * 3, "dim": 2}
    with pytest.raises(ConfigurationError) as refused:
        parse({"data": data, "network": {"activation": "erf", "scale": 0}, "initial": {"w3": 1.0}})
    first, second = refused.value.messages
    assert "3 directions, but K <= dim = 2" in first
    assert "network.scale = 0" in second


@pytest.mark.parametrize("command", [["kernel", "--scales", "5,nan"], ["compare", "--kernel"]])
def test_what_a_kernel_limit_has_not_is_told_with_the_rest(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = command
    wrong = ["--set", "dynamics.ridge=0.1", "--set", "sgd.step_size=2000", "-o", "/dev/null/x"]
    assert main([name, "isotropic-gaussians", *options, *wrong]) == 2
    lines = capsys.readouterr().err.splitlines()
    own = "--scales nan: is not" if name == "kernel" else "sgd.step_size: 2000 is larger"
    for words in (own, "dynamics.ridge: it moves neurons", "/dev/null/x: the folder"):
        assert sum(words in line for line in lines) == 1, (words, lines)


def test_moments_of_products_are_those_of_all_labels_at_once() -> None:
    """A rule of each label instead of one of all: five labels take no longer than two."""
    law = radial_law(Uniform(0.2, 1.0), [3.0, 4.0, 5.0], [0.25, 0.25, 0.5], [Normal(1.0, 0.5), Values((-1.0, 2.0))])
    places, weights = map(np.concatenate, zip(*law._fine_rule(panels=3), strict=True))
    mean, deviation = law.moments
    weights = weights / weights.sum()
    np.testing.assert_allclose(weights @ places, mean, rtol=1e-4)
    np.testing.assert_allclose(weights @ (places - mean) ** 2, deviation**2, rtol=1e-3)
    np.testing.assert_allclose(mean[3:], [1.0, 0.5], rtol=1e-14)
    np.testing.assert_allclose(deviation[3:], [0.5, 1.5], rtol=1e-10)
    # E r_j^2 = E r^2 p_j / d
    np.testing.assert_allclose(mean[:3] ** 2 + deviation[:3] ** 2, np.array([3, 4, 5]) / 12 * 1.24 / 3, rtol=1e-9)


PLANE: dict[str, Any] = {"law": "dataset", "points": [[0.0, 1.0], [1.0, 0.0], [-1.0, 0.5]], "values": [1.0, -1.0, 1.0]}


def test_points_that_lack_columns_are_told_once_of_directions(folder: Path) -> None:
    network = {"reduction": "directions", "activation": "relu", "coefficients": "trained"}
    with pytest.raises(ConfigurationError) as refused:
        parse({"data": PLANE, "network": network, "initial": {"points": str(folder / "good")}})
    first, second = refused.value.messages
    assert "lacks the columns w1, w2, a; write" in first
    assert "unknown columns w_par, w_perp" in second


def test_what_serves_a_centred_network_on_data_is_told_without_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The atoms of f_0 took a minute of a check."""
    monkeypatch.delattr(Problem, "_start")
    experiment = parse({"data": PLANE, "network": {"coefficients": "trained", "centred": True}})
    assert "characteristics" in [service.name for service in check(experiment).schemes if not service.refusals]


@pytest.mark.parametrize("network", [{"reduction": "directions"}, {"scale": 10.0}])
def test_noise_on_free_mass_is_told_beside_what_else_excludes_it(network: dict[str, Any]) -> None:
    units = {"activation": "relu", "coefficients": "trained", **network}
    dynamics = {"inverse_temperature": 1.0, "mass": "free", "ridge": 0.1}
    with pytest.raises(ConfigurationError) as refused:
        parse({"data": {"law": "multi-index", "dim": 5}, "network": units, "dynamics": dynamics})
    told = str(refused.value)
    assert "dynamics.inverse_temperature" in told
    assert all(REMEDY.search(message) for message in refused.value.messages)


def test_a_place_of_three_spikes_is_told_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse({"data": {"law": "spikes", "positions": [0, 0, 0]}, "network": {}})
    assert sum("are one place" in message for message in refused.value.messages) == 1
