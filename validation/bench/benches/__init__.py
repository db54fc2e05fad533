"""The benches, a module each, which registers its own when it is imported; a new file is found by being here."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages


def load_all() -> None:
    """Import every module of this package and of the folders in it, in the order of their names."""
    for name in sorted(info.name for info in walk_packages(__path__, f"{__name__}.")):
        import_module(name)
