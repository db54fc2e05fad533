"""Where a configuration comes from: a TOML file or a preset's name, then overrides."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from mfpde import presets
from mfpde.configuration import Configuration, ConfigurationError, parse
from mfpde.reading import nearest

MAXIMUM_BYTES = 10_000_000
# An override of one of these keys takes away what the source says in its place.
ALTERNATIVES = {
    ("data", "delta"): "scales",
    ("data", "scales"): "delta",
    ("initial", "kappa"): "radius",
    ("initial", "radius"): "kappa",
}


def load_configuration(source: str | Path, overrides: Sequence[str] = ()) -> Configuration:
    """The configuration of a TOML file or preset, with overrides such as "solver.cells=256,256".

    A preset's name means the preset even where a file has that name: write ./name for the file.
    Raises ConfigurationError naming every mistake.
    """
    tables = _read_toml(source_text(source), str(source))
    errors: list[str] = []
    for override in overrides:
        _apply(tables, override, errors)
    try:
        configuration = parse(tables)
    except ConfigurationError as error:
        raise ConfigurationError(errors + list(error.messages)) from None
    if errors:
        raise ConfigurationError(errors)
    return configuration


def source_text(source: str | Path) -> str:
    """The TOML text of a source; raises ConfigurationError where there is none to read."""
    if isinstance(source, str) and source in presets.names():
        return presets.text(source)
    path = Path(source)
    if path.is_dir():
        raise ConfigurationError([f"{source}: is a directory; write the path of a TOML file or a preset's name"])
    if not path.exists():
        hint = nearest(path.stem, presets.names())
        message = f"{source}: no such file or preset; did you mean the preset {hint}? `mfpde presets` lists them"
        raise ConfigurationError([message])
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError([f"{source}: cannot be read ({reason}); write a readable TOML file"]) from None
    if len(raw) > MAXIMUM_BYTES:
        raise ConfigurationError([f"{source}: larger than {MAXIMUM_BYTES} bytes; write a TOML configuration file"])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{source}: not a text file (byte {error.start} is not UTF-8); write a TOML configuration file"
        raise ConfigurationError([message]) from None


def _read_toml(text: str, source: str) -> dict[str, object]:
    if not text.strip():
        message = f"{source}: is empty; write at least [data] and [network] (`mfpde presets NAME` prints one)"
        raise ConfigurationError([message])
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError([f"{source}: not valid TOML: {error}; correct that line"]) from None


def _apply(tables: dict[str, object], override: str, errors: list[str]) -> None:
    """Set one dotted key of `tables`, which is changed in place."""
    name, equals, text = override.partition("=")
    path = [part.strip() for part in name.split(".")]
    if not equals or len(path) < 2 or not all(path):
        errors.append(f"--set {override}: not of the form table.key=value; write for example --set time.end=20")
        return
    value = override_value(text.strip())
    table: object = tables
    for part in path[:-1]:
        table = table.setdefault(part, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        errors.append(f"--set {override}: {'.'.join(path[:-1])} is not a table; set the whole value instead")
        return
    if len(path) == 2:
        rival = ALTERNATIVES.get((path[0], path[1]))
        if rival is not None:
            table.pop(rival, None)
        if path == ["data", "dims"] and value != "infinite":
            table.pop("fractions", None)
    table[path[-1]] = value


def override_value(text: str) -> object:
    """The value of an override: TOML if it parses, else a comma list, else a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        pass
    if "," in text:
        return [override_value(part.strip()) for part in text.split(",") if part.strip()]
    return text
