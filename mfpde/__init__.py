"""mfpde: the mean-field PDE of wide two-layer networks, reduced by symmetry and solved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfpde.compiled_cache import choose_cache

__version__ = "0.1.0"
__all__ = ["__version__", "basins", "ending", "load", "load_configuration", "solve"]

if TYPE_CHECKING:
    from mfpde.results.netcdf import load
    from mfpde.sources import load_configuration
    from mfpde.studies.basins import basins
    from mfpde.studies.ending import ending
    from mfpde.studies.solve import solve

choose_cache()

_HOMES = {
    "basins": "mfpde.studies.basins",
    "ending": "mfpde.studies.ending",
    "load": "mfpde.results.netcdf",
    "load_configuration": "mfpde.sources",
    "solve": "mfpde.studies.solve",
}


def __getattr__(name: str) -> object:
    """Import the public functions when first used, so that `import mfpde` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mfpde' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
