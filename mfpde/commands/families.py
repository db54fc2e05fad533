"""The option --vary of the commands that take a family of configurations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mfpde.commands.common import Checks, overrides_of

if TYPE_CHECKING:
    from mfpde.configuration.families import Family


def family_of(options: argparse.Namespace, checks: Checks, values: int, most: int) -> Family | None:
    """The family that SOURCE, --set, --scheme and --vary describe; None where a --vary cannot be read.

    Args:
        values: number of values where --vary gives none.
        most: largest number of values.
    """
    from mfpde.configuration.families import Family, read_variations

    overrides = tuple(overrides_of(options))
    variations = checks.run(lambda: read_variations(options.source, overrides, options.vary, values, most))
    return None if variations is None else Family(options.source, overrides, variations)
