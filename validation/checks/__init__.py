"""The checks, one module per kind in folders by what they look at; each registers its own when it is imported."""

from __future__ import annotations

import importlib
import pkgutil


def load_all() -> None:
    """Import every module below this package, in the order of their names."""
    for module in sorted(info.name for info in pkgutil.walk_packages(__path__, f"{__name__}.")):
        importlib.import_module(module)
