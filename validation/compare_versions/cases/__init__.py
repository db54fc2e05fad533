"""The cases: every command on every preset, every option once, files of all kinds, bad input."""

from __future__ import annotations

import re
from collections.abc import Iterator

from validation.compare_versions.cases.bad import bad_cases
from validation.compare_versions.cases.case import Case, words
from validation.compare_versions.cases.files import file_cases
from validation.compare_versions.cases.presets import ENDS, preset_cases
from validation.compare_versions.cases.variants import variant_cases

COMMANDS = words("presets solve plot convergence distance sgd compare bounds optimum stationary branches basins")


def help_cases() -> Iterator[Case]:
    """What every command says of itself."""
    yield Case("help/mfpde", (("--help",),))
    yield Case("help/version", (("--version",),))
    yield Case("help/list-of-presets", (("presets",),))
    for command in COMMANDS:
        yield Case(f"help/{command}", ((command, "--help"),))


def all_cases() -> list[Case]:
    """Every case, the cheap ones first."""
    presets = [case for preset in ENDS for case in preset_cases(preset)]
    cases = [*help_cases(), *bad_cases(), *file_cases(), *variant_cases(), *presets]
    assert len({case.name for case in cases}) == len(cases), "two cases have one name"
    return cases


def chosen_cases(only: str) -> list[Case]:
    """The cases whose name matches a regular expression."""
    return [case for case in all_cases() if re.search(only, case.name)]
