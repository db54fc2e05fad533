"""What a case is, and the small problem that most of them change."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

FOLDER = "FOLDER"
"""What stands for the temporary folder of a case in arguments."""
OUT, RUN, GRID, FIGURES = (f"{FOLDER}/{name}" for name in ("out.json", "run.nc", "grid.nc", "figures"))
Command = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """Commands that run one after the other in one temporary folder.

    Attributes:
        name: group/what.
        commands: their arguments after `mfpde`; all run, whatever the exit codes.
        prepare: commands before those, whose files another version can provide.
        files: files to write first, with their text.
        interrupted: whether the commands of `prepare` are interrupted once they have begun to write their file.
        damaged: files to damage after `prepare`: "cut" off, "flipped" in one byte, or "text".
    """

    name: str
    commands: tuple[Command, ...]
    prepare: tuple[Command, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False


def words(text: str) -> Command:
    """The arguments of a command line."""
    return tuple(shlex.split(text))


def sets(*overrides: str) -> Command:
    """The options --set of some overrides."""
    return tuple(part for override in overrides for part in ("--set", override))


PROBLEM = f"{FOLDER}/problem.toml"
TOML = "[data]\ndims = [20]\n\n[network]\n\n[time]\nend = 0.5\nsave = 3\n"
"""One block of twenty coordinates, all else by default."""
BUMPS = TOML.replace("dims = [20]", 'law = "gaussian-bumps"')
"""The other law of the data; problems of variants called bumps."""
KNOTS = "network.activation={ knots = [0.5, 1.5], values = [-2.5, 7.5] }"
NOISE = ("dynamics.inverse_temperature=50", "dynamics.ridge=0.1")
