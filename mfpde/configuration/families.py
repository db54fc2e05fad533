"""Families of configurations: one source in which one or two keys run through values, as --vary says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import STDIN, Source, experiment_of, load_configuration, with_overrides
from mfpde.errors import ConfigurationError, all_of
from mfpde.experiment import Experiment
from mfpde.keys.declaration import keys_of, trusting
from mfpde.keys.reader import increasing, one_line
from mfpde.problem.problem import Problem

MOST_ALIKE = 3
"""Mistakes in values of a key that are told one by one."""
EXAMPLE = "write for example --vary initial.kappa=0.05:1.0:40"


@dataclass(frozen=True)
class Variation:
    """A key and the values it runs through.

    Attributes:
        key: dotted, such as "data.delta".
        values: increasing, two or more.
    """

    key: str
    values: tuple[float, ...]

    def override(self, value: float) -> str:
        """What `--set` would say for a value; whole numbers are spelled as integers, which all keys take."""
        return f"{self.key}={int(value) if value == int(value) and abs(value) < 2**53 else repr(float(value))}"


@dataclass(frozen=True)
class Family:
    """The configurations of a source over the values of its variations.

    Attributes:
        source: a TOML file, a preset's name, or an experiment.
        overrides: as `--set` takes them, before those of the variations.
        variations: of different keys.
        use: Python files that register what the source names.
    """

    source: str | Path | Experiment
    overrides: tuple[str, ...]
    variations: tuple[Variation, ...]
    use: tuple[str | Path, ...] = ()

    @classmethod
    def over(
        cls,
        source: Source,
        variations: Sequence[Variation],
        overrides: Sequence[str] = (),
        use: Sequence[str | Path] = (),
    ) -> Family:
        """The family of any source; standard input is read once."""
        if isinstance(source, Problem) or source == STDIN:
            source = experiment_of(source, use=use)
        return cls(source, tuple(overrides), tuple(variations), tuple(use))

    @classmethod
    def of(
        cls,
        source: Source,
        vary: Mapping[str, Sequence[float]],
        overrides: Sequence[str] = (),
        use: Sequence[str | Path] = (),
    ) -> Family:
        """The family over {"data.delta": (0.1, 0.5, 0.9)}."""
        return cls.over(source, [Variation(key, tuple(map(float, vary[key]))) for key in vary], overrides, use)

    @property
    def given(self) -> dict[str, Any]:
        """What a study of families is given, by the names of its arguments."""
        return {"source": self.source, "vary": self.values, "overrides": self.overrides, "use": self.use}

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        """The values of every key."""
        return {variation.key: variation.values for variation in self.variations}

    def at(self, *values: float) -> Experiment:
        """The configuration at one value per variation; raises ConfigurationError where there is none."""
        varied = [variation.override(value) for variation, value in zip(self.variations, values, strict=True)]
        if isinstance(self.source, Experiment):
            return with_overrides(self.source, [*self.overrides, *varied])
        return load_configuration(self.source, [*self.overrides, *varied], use=self.use)

    def near(self, member: Experiment, value: float) -> Experiment:
        """The configuration at a value of the only key between two that are fine, as one of them: its scheme stays.

        Where the key holds a number the number is replaced, unread: members are asked for by the thousand.
        """
        (variation,) = self.variations
        table, _, name = variation.key.partition(".")
        part = getattr(member, table)
        attribute = {each.name: each.attribute for each in keys_of(part)}.get(name)
        if attribute is None or type(getattr(part, attribute, None)) is not float:
            return self.at(value)
        with trusting():
            solver = replace(member.solver, chosen=None)
            return replace(member, **{"solver": solver, table: replace(part, **{attribute: float(value)})})


def read_variation(text: str, count: int, most: int) -> Variation:
    """The variation KEY=LOW:HIGH, KEY=LOW:HIGH:COUNT or KEY=VALUE,VALUE,...

    Args:
        count: number of values where the text gives none.
        most: largest number of values.

    Raises:
        ConfigurationError: saying what is wrong with it.
    """
    option = f"--vary {one_line(text)}"
    key, equals, given = text.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(part.strip() for part in parts):
        raise ConfigurationError([f"{option}: is not of the form table.key=low:high:count; {EXAMPLE}"])
    values = _range(given, count, most) if ":" in given else _numbers(given.split(","))
    if len(values) < 2 or not increasing(tuple(values)):
        raise ConfigurationError([f"{option}: needs two or more finite numbers, increasing; {EXAMPLE}"])
    if len(values) > most:
        raise ConfigurationError([f"{option}: more than {most} values; {EXAMPLE}"])
    return Variation(key.strip(), tuple(values))


def read_variations(
    source: str | Path,
    overrides: Sequence[str],
    texts: Sequence[str],
    count: int,
    most: int,
    use: Sequence[str | Path] = (),
) -> tuple[Variation, ...]:
    """The variations of all texts; raises ConfigurationError with what is wrong with them, source and overrides."""
    try:
        return all_of(lambda text: read_variation(text, count, most), texts)
    except ConfigurationError as wrong:
        problems = list(wrong.messages)
    keys = tuple(f"{text.partition('=')[0].strip()} " for text in texts)
    try:
        load_configuration(source, overrides, use=use)
    except ConfigurationError as error:
        problems += [message for message in error.messages if not message.startswith(keys)]
    raise ConfigurationError(problems)


def without_repetition(messages: Sequence[str], family: Family) -> list[tuple[str, str]]:
    """The messages, each with what to add to it: many that differ in the value of a varied key alone become one."""
    alike: dict[str, list[str]] = {}
    for message in messages:
        form = message
        for name in (f"{variation.key}{equals}" for variation in family.variations for equals in (" = ", "=")):
            head, equals_sign, rest = message.partition(name)
            if equals_sign and head in ("", "--set "):
                form = head + name + rest.partition(": ")[2]
        alike.setdefault(form, []).append(message)
    told = []
    for group in alike.values():
        more = f" (and {len(group) - 1} more values)" if len(group) > MOST_ALIKE else ""
        told += [(message, more) for message in (group[:1] if more else group)]
    return told


def distinct(variations: Sequence[Variation]) -> None:
    """Raise ConfigurationError where two variations are of one key."""
    keys = [variation.key for variation in variations]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigurationError([f"--vary {key}: varied twice; write it once, or another key"])


def _range(text: str, count: int, most: int) -> list[float]:
    """Equally spaced values of low:high or low:high:count; too few where the text is none."""
    parts = text.split(":")
    ends = _numbers(parts[:2])
    if len(parts) == 3:
        number = parts[2].strip()
        count = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
    if len(ends) < 2 or len(parts) > 3 or count < 2:
        return []
    steps = min(count, most + 1) - 1
    # the ends exactly, decimal steps as they are written
    return [ends[0], *(_rounded(ends[0] + (ends[1] - ends[0]) * k / steps) for k in range(1, steps)), ends[1]]


def _rounded(value: float) -> float:
    return float(f"{value:.14g}")


def _numbers(parts: Sequence[str]) -> list[float]:
    """The finite numbers, nothing where one is none."""
    try:
        values = [float(part) for part in parts]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []
