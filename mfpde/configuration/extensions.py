"""What a user adds: files named by --use, and installed packages with entry points of the group `mfpde`.

Either registers classes by `@mfpde.data_law(name)`, `@mfpde.activation(name)`, `@mfpde.loss(name)` or
`@mfpde.scheme(name)`.
A TOML file alone never runs code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mfpde.errors import ConfigurationError, all_of
from mfpde.shell.user_files import Use, use

GROUP = "mfpde"


def used(paths: Iterable[str | Path]) -> tuple[Use, ...]:
    """Import users' files in their order; raises ConfigurationError with the fault of every one that fails."""
    return all_of(use, paths)


@cache
def use_installed() -> tuple[str, ...]:
    """Import what installed packages offer; the names of their entry points."""
    from importlib.metadata import entry_points

    names: list[str] = []
    errors: list[str] = []
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            errors.append(f"the entry point {entry.name} ({entry.value}) of an installed package fails: {error}")
        names.append(entry.name)
    if errors:
        raise ConfigurationError([f"{text}; update or uninstall it" for text in errors])
    return tuple(names)
