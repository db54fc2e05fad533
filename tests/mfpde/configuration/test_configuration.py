"""Experiment: what is accepted, what is refused and in which words."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfpde import presets
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import experiment_of, load_configuration, override_value
from mfpde.configuration.toml import differing_keys, to_toml
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.laws.gaussian_mixture import GaussianMixture
from mfpde.problem.laws.single_index import SingleIndex
from mfpde.problem.marginals import Normal, Uniform
from mfpde.problem.network import Knots
from mfpde.problem.problem import build_problem
from mfpde.problem.targets import Hermite
from mfpde.schemes.choice import serving
from mfpde.solvers.flow.flow import Flow, Schedule
from mfpde.studies.check import check
from mfpde.tables.time import LogSave, Time

MINIMAL = "[data]\n[network]\n"
TRAINED = '[data]\n[network]\ncoefficients = "trained"\n'


def parsed(text: str) -> Experiment:
    return parse(tomllib.loads(text))


def messages(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parsed(text)
    return caught.value.messages


def test_empty_tables_give_the_documented_defaults() -> None:
    assert parsed(MINIMAL) == Experiment()
    assert parsed(MINIMAL).time.save_times[1] == 0.1
    data = parsed(MINIMAL).data
    assert isinstance(data, GaussianMixture)
    (plus, minus), other = data.block_scales
    assert (plus, other) == (1.8, (1.0, 1.0))
    assert minus == pytest.approx(0.2)


@pytest.mark.parametrize("name", presets.names())
def test_presets_parse_and_survive_their_canonical_text(name: str) -> None:
    configuration = load_configuration(name)
    assert parsed(to_toml(configuration)) == configuration


def test_presets_are_the_published_experiments() -> None:
    isotropic = load_configuration("isotropic-gaussians")
    assert (isotropic.data, isotropic.initial.kappa) == (GaussianMixture(delta=0.8, dims=(40,)), 0.8)
    assert isotropic.network.activation == Knots((0.5, 1.5), (-2.5, 7.5))
    for name, kappa in (("nonmonotone-failure", 0.1), ("nonmonotone-success", 0.4)):
        experiment = load_configuration(name)
        assert (experiment.data, experiment.initial.kappa) == (GaussianMixture(delta=0.5, dims=(320,)), kappa)
        assert experiment.network.activation == Knots((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))
    infinite = load_configuration("anisotropic-relu-infinite").data
    assert isinstance(infinite, GaussianMixture)
    assert (infinite.infinite, infinite.fractions, infinite.dimension) == (True, (0.1875, 0.8125), math.inf)
    assert load_configuration("anisotropic-relu").data == GaussianMixture(delta=0.8, dims=(60, 260))
    targets: dict[str, Any] = {"single-index-erf": "erf", "single-index-relu": "relu"}
    targets |= {"phase-retrieval": Hermite((0.0, 0.0, 1.0)), "single-index-he3": Hermite((0.0, 0.0, 0.0, 1.0))}
    for name, target in targets.items():
        experiment = load_configuration(name)
        assert experiment.data == SingleIndex(dim=40, target=target)
        assert experiment.network.activation == ("erf" if target == "erf" else "relu")


REFUSED = [
    ("[network]", "data: the table is missing; write [data]"),
    ("[data]\ndelat = 0.5\n[network]", "data.delat: unknown key; did you mean data.delta?"),
    (MINIMAL + "[timing]", "timing: unknown key; did you mean time?"),
    ("data = 3\n[network]", "data = 3: must be a table"),
    ("[data]\ndelta = nan\n[network]", "data.delta = nan: must be a number, in [0, 1)"),
    ("[data]\ndelta = 1.0\n[network]", "data.delta = 1.0: must be a number, in [0, 1)"),
    ("[data]\ndelta = -0.1\n[network]", "data.delta = -0.1"),
    ("[data]\ndelta = true\n[network]", "data.delta = true: must be a number"),
    ("[data]\nscales = [[1.8, 0.2], [1.0, 0.0]]\n[network]", "is not a pair of scales in [1e-06, 1e+06]"),
    ("[data]\nscales = [[1.8, -0.2], [1.0, 1.0]]\n[network]", "is not a pair of scales in [1e-06, 1e+06]"),
    ("[data]\nscales = [[1.8, 0.2]]\n[network]", "has 1 blocks where data.dims has 2"),
    ("[data]\ndelta = 0.5\nscales = [[1, 1], [1, 1]]\n[network]", "data.delta = 0.5: given together with"),
    ("[data]\ndims = [60.5, 260]\n[network]", "data.dims = [60.5, 260]: must be a list of integers"),
    ("[data]\ndims = [400, -80]\n[network]", "that is s0 and d - s0"),
    ("[data]\ndims = [100001]\n[network]", "integers from 1 to 100000"),
    ("[data]\ndims = []\n[network]", "data.dims = []: must be a list of integers"),
    ('[data]\ndims = "infinite"\n[network]', 'data.fractions: missing beside dims = "infinite"'),
    (
        '[data]\ndims = "infinite"\nfractions = [0.2, 0.7]\n[network]',
        "data.fractions = [0.2, 0.7]: sum to 0.9",
    ),
    (
        "[data]\nfractions = [0.2, 0.8]\n[network]",
        'data.fractions = [0.2, 0.8]: needs d = infinity; write dims = "inf',
    ),
    ('[data]\n[network]\nactivation = "trunc-relu"', 'write for example activation = "truncated-relu"'),
    ("[data]\n[network]\nactivation = { knots = [1.5, 0.5], values = [0, 1] }", "must increase strictly"),
    ("[data]\n[network]\nactivation = { knots = [0.5, 1.5], values = [0] }", "1 values for 2 knots"),
    ("[data]\n[network]\nactivation = { knots = [0.5, inf], values = [0, 1] }", "each in [-1e+06, 1e+06]"),
    ("[data]\n[network]\nactivation = { knots = [0.5, 1.0] }", "network.activation.values: missing"),
    ("[data]\n[network]\nactivation = { knots = [0], values = [1] }", "an activation needs two or more"),
    ("[data]\n[network]\nactivation = { knots = [0, 1e-12], values = [0, 1] }", "a slope between them exceeds"),
    (MINIMAL + "[initial]\nradius = { uniform = [0, 1e-300] }", "their distance in [1e-06, 1e+06]"),
    (MINIMAL + "[time]\nend = 0.3\nsave = { log = 1000, first = 0.29999999999999993 }", "too close to tell apart"),
    (MINIMAL + "[dynamics]\nschedule = { power = -0.9999999999999999 }", "cannot be told apart on its clock"),
    (MINIMAL + "[dynamics]\nschedule = { power = 1e308 }", "dynamics.schedule.power = 1e+308"),
    (MINIMAL + "[solver]\ntolerance = 1e-14", "in [1e-12, 1)"),
    (MINIMAL + "[solver]\ncells = 100000", "1e+10 cells in all, more than 16777216"),
    (MINIMAL + "[initial]\nkappa = 0", "initial.kappa = 0: must be a number, in [1e-06, 1e+06]"),
    (MINIMAL + "[initial]\nkappa = 1.0\nradius = { uniform = [0, 1] }", "given together with initial.radius"),
    (MINIMAL + "[initial]\nradius = { uniform = [1, 0.2] }", "must be two numbers, low < high"),
    (MINIMAL + "[initial]\nradius = { table = [[0.1, 0.2], [1.0]] }", "strictly increasing places"),
    (MINIMAL + "[initial]\nradius = {}", "write one of { normal = [1.0, 0.1] }, { uniform = [0.2, 1.0] }"),
    (MINIMAL + "[initial]\nb = 1.0", "initial.b: the network has no offsets"),
    (MINIMAL + "[initial]\na = { normal = [0.0, -1.0] }", "a standard deviation >= 0"),
    (MINIMAL + "[dynamics]\ninverse_temperature = nan", "dynamics.inverse_temperature = nan"),
    (MINIMAL + "[dynamics]\ninverse_temperature = 10.0", "dynamics.ridge = 0: with noise"),
    (MINIMAL + "[dynamics]\nridge = { w = 0.1, a = 0.2 }", "dynamics.ridge.a: a is not trained"),
    (MINIMAL + "[dynamics]\nridge = { w = -0.1 }", "dynamics.ridge.w = -0.1"),
    (TRAINED + "[dynamics]\npenalty = { power = 1.0, strength = 0.1 }", "dynamics.penalty.power = 1.0"),
    (TRAINED + "[dynamics]\npenalty = { power = 3.0 }", "dynamics.penalty.strength: missing"),
    (
        TRAINED + "[dynamics]\npenalty = { power = 3.0, strength = 0.1, path = 0.1 }",
        "beside power and strength, it is another penalty",
    ),
    (TRAINED + "[dynamics]\npenalty = {}", "it says nothing; write for example penalty"),
    (MINIMAL + "[dynamics]\npenalty = { power = 3.0, strength = 0.1 }", "there are no coefficients that move"),
    (MINIMAL + "[dynamics]\npenalty = { path = 0.1 }", 'write coefficients = "trained"'),
    (
        TRAINED + "[dynamics]\ninverse_temperature = 9.0\nridge = { w = 0.1 }",
        "nothing confines a; write for example ridge = 0.1",
    ),
    (MINIMAL + "[dynamics]\nfisher_rao_rate = 1.0", 'unused by flow = "wasserstein"'),
    (MINIMAL + "[dynamics]\nschedule = { power = -1.0 }", "dynamics.schedule.power = -1.0"),
    (MINIMAL + "[time]\nsave = [0, 2, 1]", "time.save = [0, 2, 1]: the times must increase strictly"),
    (MINIMAL + "[time]\nend = 1.0\nsave = [0, 2]", "the last time lies beyond time.end = 1"),
    (MINIMAL + "[time]\nsave = [-1, 2]", "time.save = [-1, 2]"),
    (MINIMAL + "[time]\nsave = 1", "time.save = 1: must be an integer from 2"),
    (MINIMAL + "[time]\nend = inf", "time.end = inf"),
    (MINIMAL + "[time]\nsave = { log = 10, first = 20.0 }", "time.save.first = 20.0"),
    (MINIMAL + "[solver]\ncells = [0]", "solver.cells = [0]"),
    (MINIMAL + "[solver]\ncells = [8, 8, 8, 8, 8]", "the reduced coordinates are r1, r2; write 2 numbers"),
    (MINIMAL + "[solver]\norder = 3", "solver.order = 3: must be an integer from 1 to 2"),
    (MINIMAL + '[solver]\nscheme = "finite-volumes"', 'write for example scheme = "finite-volume"'),
    (MINIMAL + "[sgd]\nneurons = false", "sgd.neurons = false: must be an integer"),
    (MINIMAL + "[sgd]\nneurons = 100.0", "write neurons = 100"),
    ('[data]\ndelta = ".7"\n[network]', "write delta = 0.7 (a number without quotes"),
    ("[data]\ndelta = [0, 7]\n[network]", "write delta = 0.7 (a number without quotes, with a point"),
    ("[data]\ndelta = [0.7, 0.5]\n[network]", "for several blocks scales = [[1.7, 0.3], [1.5, 0.5]], a pair"),
    ("delta = 0.7\n" + MINIMAL, "delta = 0.7: stands above all tables; write it below [data]"),
    (MINIMAL + "[solver]\nend = 3", "solver.end = 3: stands below [solver]; write it below [time]"),
    (
        '[data]\n[network]\nactivation = "gelu"',
        "{ knots = [...], values = [...] } for a piecewise linear one, or --use",
    ),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_each_mistake_is_named_in_one_message(text: str, words: str) -> None:
    found = messages(text)
    assert len(found) == 1
    assert words in found[0]
    assert "write" in found[0] or "did you mean" in found[0]


def test_names_have_any_case() -> None:
    text = """
    [data]
    law = "Gaussian_Mixture"
    dims = "Infinite"
    fractions = [1.0]
    [network]
    activation = "ReLU"
    [dynamics]
    flow = "Wasserstein-Fisher-Rao"
    fisher_rao_rate = 1.0
    [time]
    until = "Stationary"
    [solver]
    scheme = "Finite_Volume"
    """
    found = parsed(text)
    named = (found.network.activation, found.dynamics.flow, found.time.until, found.solver.scheme)
    assert named == ("relu", "wasserstein-fisher-rao", "stationary", "finite-volume")
    assert found == parsed(text.lower().replace("_mixture", "-mixture").replace("te_v", "te-v"))
    assert found.time.stationary_tolerance == 1e-6


def test_all_mistakes_are_reported_at_once() -> None:
    found = messages("[data]\ndelta = 2\ndims = [1.5]\n[network]\nwidth = 3\n[time]\nend = 0\n[sgd]\nseed = -1")
    assert [message.split()[0].rstrip(":") for message in found] == [
        "data.delta",
        "data.dims",
        "network.width",
        "time.end",
        "sgd.seed",
    ]


def test_noise_at_infinite_dimension_is_refused() -> None:
    noise = "[dynamics]\ninverse_temperature = 5.0\nridge = 1"
    text = f'[data]\ndims = "infinite"\nfractions = [1.0]\n[network]\n{noise}'
    (message,) = messages(text)
    assert 'noise is undefined at data.dims = "infinite"' in message


def test_later_capabilities_parse() -> None:
    text = """
    [data]
    scales = [[1.8, 0.2]]
    dims = 40
    [network]
    activation = "relu"
    coefficients = "trained"
    offsets = "trained"
    [initial]
    radius = { uniform = [0.2, 1.0] }
    a = { normal = [1.0, 0.5] }
    b = 0.25
    [dynamics]
    flow = "wasserstein-fisher-rao"
    fisher_rao_rate = 2.0
    inverse_temperature = 50
    ridge = 0.1
    schedule = { power = -0.25 }
    [time]
    save = { log = 5, first = 0.01 }
    """
    configuration = parsed(text)
    assert configuration.initial.radius == Uniform(0.2, 1.0)
    assert configuration.initial.a == Normal(1.0, 0.5)
    assert configuration.dynamics.schedule.flow_time(16.0) == pytest.approx(8.0 / 0.75, rel=1e-15)
    assert parsed(to_toml(configuration)) == configuration


def test_save_times_end_exactly_at_the_end() -> None:
    assert Time(10.0, 3).save_times == (0.0, 5.0, 10.0)
    geometric = Time(10.0, LogSave(3, 0.1)).save_times
    assert geometric[0] == 0.0
    assert geometric[1:] == pytest.approx((0.1, 1.0, 10.0), rel=1e-14)
    assert geometric[-1] == 10.0


def test_overrides_follow_toml_then_comma_lists_then_text() -> None:
    assert override_value("256,256") == [256, 256]
    assert override_value("[0.5, 1.5]") == [0.5, 1.5]
    assert override_value("inf") == math.inf
    assert override_value("jko") == "jko"
    configuration = load_configuration(
        "anisotropic-relu-infinite",
        ["data.dims=60,260", "solver.scheme=characteristics", "initial.radius={ uniform = [0.2, 1.0] }"],
    )
    assert configuration.data == GaussianMixture(delta=0.8, dims=(60, 260))
    assert configuration.initial.kappa is None
    assert configuration.solver.scheme == "characteristics"


def test_what_means_one_scheme_does_not_travel_to_another() -> None:
    """The two actual neurons of committee-erf were two labels along each coordinate of characteristics."""
    for scheme in ("characteristics", "jko", "finite-volume"):
        assert load_configuration("committee-erf", [f"solver.scheme={scheme}"]).solver.options == ()
        assert experiment_of("committee-erf", scheme=scheme).solver.options == ()
    given = load_configuration("committee-erf", ["solver.atoms=7", "solver.scheme=characteristics"])
    assert given.solver.options == (("atoms", (7,)),)
    assert dict(experiment_of("committee-erf", scheme="particles").solver.options)["neurons"] == "actual"
    assert experiment_of("committee-erf", scheme="jko", atoms=5).solver.options == (("atoms", (5,)),)
    beside = experiment_of("committee-erf", ["solver.atoms=7"], scheme="characteristics")
    assert beside.solver.options == (("atoms", (7,)),)


def test_what_one_scheme_alone_follows_is_followed_by_no_other() -> None:
    """solver.neurons = "actual" without a scheme was solved for the law of infinitely many, in silence."""
    tables = {"data": {"law": "multi-index"}, "network": {"activation": "erf"}, "solver": {"neurons": "actual"}}
    assert parse(tables).solver.scheme == "particles"
    asked = load_configuration("committee-erf", ["solver.scheme=jko", "solver.neurons=actual"])
    assert serving(build_problem(asked), asked) == ("particles",)
    words = next(each for each in check("committee-erf").commands if each.name == "convergence").refusals[0]
    assert words.startswith("no reference for a convergence study: solver: actual neurons")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"data": {"weights": [1.0, math.nan, 1.0], "target": ["erf"]}}, "1 targets for 3 weights"),
        (
            {"data": {"weights": [1.0, math.nan, 1.0], "target": ["erf"] * 3, "dim": 2}},
            "3 directions, but K <= dim = 2",
        ),
        ({"data": {"law": "spikes", "weights": [1.0, math.inf], "positions": [0.1]}}, "2 weights for 1 positions"),
        ({"data": {"law": "teacher-network", "weights": [1.0], "angles": [0.1, ""]}}, "1 weights for 2 angles"),
        ({"data": {"law": "gaussian-bumps", "weights": [-1.0], "centres": [0.0, 1.0]}}, "1 weights for 2 centres"),
        ({"network": {"activation": {"knots": [0, 1, 2], "values": [0, math.nan]}}}, "2 values for 3 knots"),
        ({"initial": {"w1": {"values": [1, 2], "weights": [1, -1, 0]}}}, "3 weights for 2 values"),
    ],
)
def test_lists_of_unlike_lengths_are_named_beside_what_else_is_wrong_with_them(
    tables: dict[str, Any], words: str
) -> None:
    tables = {"data": {}, "network": {"activation": "erf"}} | tables
    with pytest.raises(ConfigurationError, match="must be") as caught:
        parse(tables | {"data": {"law": "multi-index"} | tables["data"]})
    assert any(words in message for message in caught.value.messages)


def test_overrides_of_the_wrong_form_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"not of the form table\.key=value"):
        load_configuration("anisotropic-relu", ["time.end"])
    with pytest.raises(ConfigurationError, match=r"time\.end is not a table"):
        load_configuration("anisotropic-relu", ["time.end.x=3"])


def test_sources_that_are_no_toml_files(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text(" \n")
    (tmp_path / "binary.toml").write_bytes(bytes([0xCD, 0xFF, 0x00]))
    (tmp_path / "broken.toml").write_text("[data\n")
    expected = {
        tmp_path: "is a directory",
        tmp_path / "empty.toml": "is empty; write at least",
        tmp_path / "binary.toml": "not a text file",
        tmp_path / "broken.toml": "not valid TOML",
        tmp_path / "isotropic-gausians": "did you mean the preset isotropic-gaussians",
    }
    for source, words in expected.items():
        with pytest.raises(ConfigurationError, match=words):
            load_configuration(str(source))


def test_differing_keys_are_named() -> None:
    other = load_configuration("anisotropic-relu", ["solver.tolerance=1e-8", "data.dims=61,260"])
    assert differing_keys(load_configuration("anisotropic-relu"), other) == ("data.dims", "solver.tolerance")


@given(
    st.floats(0.0, 0.999),
    st.lists(st.integers(1, 100_000), min_size=1, max_size=3),
    st.floats(1e-6, 1e6),
    st.floats(0.0, 1e6),
)
def test_canonical_text_keeps_every_digit(delta: float, dims: list[int], kappa: float, ridge: float) -> None:
    tables = {
        "data": {"delta": delta, "dims": dims},
        "network": {},
        "initial": {"kappa": kappa},
        "dynamics": {"ridge": ridge},
    }
    configuration = parse(tables)
    assert parsed(to_toml(configuration)) == configuration


NOISE = {"inverse_temperature": 10.0, "ridge": 0.1}


@pytest.mark.parametrize(
    ("dims", "noise", "scheme"),
    [([2, 3], {}, "finite-volume"), ([2] * 4, {}, "particles"), ([1] * 4, NOISE, "particles")],
)
def test_the_scheme_is_one_that_serves_the_problem(dims: list[int], noise: dict[str, float], scheme: str) -> None:
    """A grid takes three coordinates; characteristics take no noise, and panels of four labels are too many."""
    assert parse({"data": {"dims": dims}, "network": {}, "dynamics": noise}).solver.scheme == scheme


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(
            {"data": {"delta": True, "dims": [True]}, "network": {}, "sgd": {"neurons": True}, "time": {"save": [True]}}
        )
    assert [message.partition(":")[0] for message in caught.value.messages] == [
        "data.delta = true",
        "data.dims = [true]",
        "time.save = [true]",
        "sgd.neurons = true",
    ]


@pytest.mark.parametrize(
    ("flow", "rate", "moves"),
    [("wasserstein", 0.0, True), ("wasserstein-fisher-rao", 2.0, True), ("fisher-rao", 2.0, False)],
)
def test_the_flow_of_a_configuration(flow: str, rate: float, moves: bool) -> None:
    """Pure birth and death moves nothing; the other terms are those that are written."""
    terms = {"flow": flow, "fisher_rao_rate": rate, "ridge": 0.25, "inverse_temperature": 8.0}
    found = parse({"data": {"dims": [10]}, "network": {}, "dynamics": {**terms, "schedule": 0.5}}).dynamics.as_flow()
    assert found == Flow(0.25, 8.0, rate, moves, Schedule(0.5))


def test_a_key_without_its_table_is_told_where_it_belongs() -> None:
    for text, words in (
        ("delta=0.5", "--set delta=0.5: delta is a key of [data]; write --set data.delta=0.5"),
        ("step_size=1", "step_size is a key of [sgd]; write --set sgd.step_size=1"),
        ("kappa = 2", "write --set initial.kappa = 2"),
        ("delta", "--set delta: not of the form table.key=value"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            load_configuration("isotropic-gaussians", [text])
        assert words in str(refused.value)
