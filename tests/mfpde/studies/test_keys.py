"""The reference of the keys, and a file of them to begin with."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import spelled, to_tables
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.laws.interface import LAWS
from mfpde.studies.keys import TABLES, keys, template


def defaults(law: str) -> Experiment:
    """What is read where nothing is said but what a law cannot do without."""
    begun = [f"{name} = {spelled(value)}" for name, value in LAWS[law].begun.items()]
    return parse(tomllib.loads("\n".join(["[network]", "[data]", f'law = "{law}"', *begun])))


@pytest.mark.parametrize("law", LAWS.names())
def test_a_file_to_begin_with_is_the_experiment_of_all_defaults(law: str, tmp_path: Path) -> None:
    place = tmp_path / "mine.toml"
    place.write_text(template(law), encoding="utf-8")
    assert load_configuration(place) == defaults(law)


@pytest.mark.parametrize("law", LAWS.names())
def test_the_reference_of_one_law_has_its_defaults(law: str) -> None:
    network = to_tables(defaults(law))["network"]
    for entry in keys(law=law).keys:
        if entry.table == "network" and entry.default:
            assert tomllib.loads(f"x = {entry.default}")["x"] == network[entry.key]


@pytest.mark.parametrize("law", LAWS.names())
def test_a_file_to_begin_with_has_every_key_that_is_read(law: str) -> None:
    text = template(law)
    tables = tomllib.loads(text)
    assert tuple(tables) == TABLES
    for name, table in to_tables(Experiment(data=LAWS[law](**LAWS[law].begun))).items():
        for key in table:
            assert key in tables[name] or f"# {key} = " in text, f"{name}.{key}"
    for entry in keys(law=law).keys:
        assert f"{entry.key} = " in text, entry.name


def test_every_key_says_what_it_is_and_what_it_may_be() -> None:
    known = keys().keys
    assert {entry.table for entry in known} == set(TABLES)
    assert {entry.law for entry in known} == {"", *LAWS.names()}
    for entry in known:
        assert len(entry.text) > 2 or entry.text in ("g", "N"), entry.name
        assert entry.accepted
        assert "\n" not in entry.text


def test_keys_of_a_table_of_a_dotted_name_and_of_a_bare_one() -> None:
    assert {entry.table for entry in keys("time").keys} == {"time"}
    assert [entry.name for entry in keys("time.end").keys] == ["time.end"]
    assert {entry.law for entry in keys("kappa").keys} > {"gaussian-mixture", "single-index"}
    assert [entry.law for entry in keys("kappa", "single-index").keys] == ["single-index"]
    (courant,) = keys("courant").keys
    assert courant.schemes == ("finite-volume",)


@pytest.mark.parametrize(
    ("wanted", "law", "said"),
    [
        ("tim", None, "tim: no such table or key; did you mean time? The tables are data, network"),
        ("centres", "spikes", "centres: no such table or key"),
        ("network", "spikes", "network: spikes has no keys there; write another --law, or none"),
        (None, "single", "--law single: no such data law; did you mean single-index? There are dataset,"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(wanted: str | None, law: str | None, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        keys(wanted, law)
    assert error.value.messages[0].startswith(said)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "time.end", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["keys"]
    assert (entry["table"], entry["key"], entry["default"]) == ("time", "end", "10.0")
    assert main(["keys", "time"]) == 0
    assert "\n  save = 101\n      the times at which the law is recorded\n" in capsys.readouterr().out
    place = tmp_path / "mine.toml"
    assert main(["new", str(place), "--law", "spikes"]) == 0
    assert capsys.readouterr().out.strip() == str(place)
    assert main(["check", str(place), "--quiet"]) == 0
    assert main(["new", str(place)]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["new", str(tmp_path / "mine.txt"), "--law", "nothing"]) == 2
    told = capsys.readouterr().err
    assert "--law nothing" in told
    assert ".toml" in told
    assert main(["new"]) == 0
    assert 'law = "gaussian-mixture"' in capsys.readouterr().out
