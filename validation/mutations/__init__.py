"""The mutations, by what they are made in; each module has its own as MUTATIONS."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validation.mutations.mutation import Mutation


def load_all() -> tuple[Mutation, ...]:
    """Those of every module of this package, in the order of their names."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name != "mutation")
    return tuple(each for name in names for each in importlib.import_module(f"{__name__}.{name}").MUTATIONS)
