"""Mistakes in the syntax of TOML are told by their line and by what was meant."""

import tomllib

import pytest

from mfpde.configuration.toml_mistakes import toml_mistake

MEANT = [
    ("delta = .8", "delta = 0.8"),
    ("delta = -.8  # half", "delta = -0.8"),
    ("delta = 1.", "delta = 1.0"),
    ("delta = 0,8", "delta = 0.8"),
    ("delta: 0.8", "delta = 0.8"),
    ("delta 0.8", "delta = 0.8"),
    ("dims = 08", "dims = 8"),
    ("end = 10 s", "end = 10"),
    ("fractions = [.2, 0.8]", "fractions = [0.2, 0.8]"),
    ("radius = { uniform = [.2, 1.] }", "radius = { uniform = [0.2, 1.0] }"),
    ("activation = relu", 'activation = "relu"'),
    ('activation = "relu', 'activation = "relu"'),
    ("activation = “relu”", 'activation = "relu"'),
    ("standardise = True", "standardise = true"),
    ("inverse_temperature = Infinity", "inverse_temperature = inf"),
    ('file = "C:\\data.csv"', "file = 'C:\\data.csv'"),
    ("[network", "[network]"),
]
TOLD = [
    ("dims = [60 260]", "list", "[first, second, ...]"),
    ("activation = { knots = [0, 1],\n values = [0, 1] }", "one line", "{ first = ..., second = ... }"),
    ("delta =", "no value", "leave the line out"),
    ("seed = None", "no such value", "leave the line out"),
    ("dims = 3\ndims = 4", "above", "each key once"),
    ("// a remark", "#", "# a remark"),
    ("= 3", "Invalid statement", "key = value"),
]


def mistake(text: str) -> str:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return toml_mistake(text, caught.value)


@pytest.mark.parametrize(("line", "meant"), MEANT)
def test_what_was_meant_is_valid_and_said_with_the_line(line: str, meant: str) -> None:
    """Every proposal parses, and stands for what the line says."""
    tomllib.loads(meant)
    words = mistake(f"[data]\n{line}\n")
    assert words.startswith(f"line 2, {line}: ")
    assert words.partition("; write ")[2].startswith(meant)


@pytest.mark.parametrize(("text", "problem", "remedy"), TOLD)
def test_other_mistakes_say_what_is_wrong_and_what_to_write(text: str, problem: str, remedy: str) -> None:
    found, _, meant = mistake(text).partition("; ")
    assert problem in found
    assert remedy in meant


def test_escapes_of_the_file_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in mistake('activation = "\x1b[31mrelu')
