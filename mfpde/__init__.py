"""mfpde: the mean-field PDE of wide two-layer networks, reduced by symmetry and solved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfpde.shell.compiled_cache import choose_cache
from mfpde.shell.user_files import install

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
    from mfpde.configuration.sources import load_configuration
    from mfpde.results.files.netcdf import load
    from mfpde.studies.basins.basins import basins
    from mfpde.studies.bounds.bounds import bounds
    from mfpde.studies.branches.branches import branches
    from mfpde.studies.compare.compare import compare
    from mfpde.studies.convergence import convergence
    from mfpde.studies.distance import distance
    from mfpde.studies.ending.ending import ending
    from mfpde.studies.optimum.optimum import optimum
    from mfpde.studies.sgd.replicas import sgd
    from mfpde.studies.solve import solve
    from mfpde.studies.stationary.stationary import stationary

choose_cache(__version__)

_HOMES = {
    "basins": "mfpde.studies.basins.basins",
    "bounds": "mfpde.studies.bounds.bounds",
    "branches": "mfpde.studies.branches.branches",
    "compare": "mfpde.studies.compare.compare",
    "convergence": "mfpde.studies.convergence",
    "distance": "mfpde.studies.distance",
    "ending": "mfpde.studies.ending.ending",
    "load": "mfpde.results.files.netcdf",
    "load_configuration": "mfpde.configuration.sources",
    "optimum": "mfpde.studies.optimum.optimum",
    "sgd": "mfpde.studies.sgd.replicas",
    "solve": "mfpde.studies.solve",
    "stationary": "mfpde.studies.stationary.stationary",
}


def __getattr__(name: str) -> object:
    """Import the public functions when first used, so that `import mfpde` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mfpde' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
