"""mfpde: the mean-field PDE of wide two-layer networks, reduced by symmetry and solved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfpde.compiled_cache import choose_cache

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "basins",
    "bounds",
    "branches",
    "compare",
    "convergence",
    "distance",
    "ending",
    "load",
    "load_configuration",
    "optimum",
    "sgd",
    "solve",
    "stationary",
]

if TYPE_CHECKING:
    from mfpde.results.netcdf import load
    from mfpde.sources import load_configuration
    from mfpde.studies.basins import basins
    from mfpde.studies.bounds import bounds
    from mfpde.studies.branches import branches
    from mfpde.studies.compare import compare
    from mfpde.studies.convergence import convergence
    from mfpde.studies.distance import distance
    from mfpde.studies.ending import ending
    from mfpde.studies.optimum import optimum
    from mfpde.studies.sgd import sgd
    from mfpde.studies.solve import solve
    from mfpde.studies.stationary import stationary

choose_cache()

_HOMES = {
    "basins": "mfpde.studies.basins",
    "bounds": "mfpde.studies.bounds",
    "branches": "mfpde.studies.branches",
    "compare": "mfpde.studies.compare",
    "convergence": "mfpde.studies.convergence",
    "distance": "mfpde.studies.distance",
    "ending": "mfpde.studies.ending",
    "load": "mfpde.results.netcdf",
    "load_configuration": "mfpde.sources",
    "optimum": "mfpde.studies.optimum",
    "sgd": "mfpde.studies.sgd",
    "solve": "mfpde.studies.solve",
    "stationary": "mfpde.studies.stationary",
}


def __getattr__(name: str) -> object:
    """Import the public functions when first used, so that `import mfpde` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mfpde' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
