"""mfpde: the mean-field PDE of wide two-layer networks, reduced by symmetry and solved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfpde.shell.compiled_cache import choose_cache
from mfpde.shell.user_files import install

__version__ = "0.1.0"
__all__ = [
    "NON_NEGATIVE",
    "POSITIVE",
    "Activation",
    "Atoms",
    "Bounds",
    "Box",
    "BumpInitial",
    "Cells",
    "Choice",
    "Circle",
    "DataLaw",
    "DenseFeatures",
    "Density",
    "Dynamics",
    "Expansion",
    "Experiment",
    "Flow",
    "GaussianBumps",
    "GaussianMixture",
    "Geometry",
    "InitialLaw",
    "Integer",
    "Integers",
    "Interval",
    "Knots",
    "Line",
    "MixtureInitial",
    "Network",
    "Normal",
    "Number",
    "Numbers",
    "Objective",
    "Observation",
    "Pair",
    "PiecewiseLinear",
    "PointwiseLoss",
    "Problem",
    "Radius",
    "Range",
    "Refined",
    "Refusal",
    "Schedule",
    "SchemeKind",
    "Sign",
    "SquareLoss",
    "State",
    "StepFailure",
    "Tabulated",
    "Uniform",
    "__version__",
    "activation",
    "basins",
    "bounds",
    "branches",
    "build_problem",
    "check",
    "compare",
    "convergence",
    "data_law",
    "distance",
    "ending",
    "experiment_of",
    "joint_law",
    "key",
    "load",
    "load_configuration",
    "loss",
    "nodal_loss",
    "optimum",
    "product_law",
    "radial_law",
    "scheme",
    "sgd",
    "solve",
    "stationary",
]

if TYPE_CHECKING:
    from mfpde.configuration.sources import experiment_of, load_configuration
    from mfpde.experiment import Dynamics, Experiment
    from mfpde.keys.declaration import key
    from mfpde.keys.kinds import Choice, Integer, Integers, Number, Numbers
    from mfpde.keys.reader import NON_NEGATIVE, POSITIVE, Range
    from mfpde.problem.activations.interface import Activation, activation
    from mfpde.problem.initial import InitialLaw, joint_law, product_law, radial_law
    from mfpde.problem.laws.gaussian_bumps import BumpInitial, GaussianBumps
    from mfpde.problem.laws.gaussian_mixture import GaussianMixture, MixtureInitial
    from mfpde.problem.laws.interface import DataLaw, data_law
    from mfpde.problem.marginals import Density, Normal, Tabulated, Uniform
    from mfpde.problem.network import Knots, Network
    from mfpde.problem.problem import Problem, build_problem
    from mfpde.results.reading import load
    from mfpde.schemes.interface import Refined, Refusal, SchemeKind, scheme
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.activations.activation import Bounds
    from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
    from mfpde.solvers.flow.flow import Flow, Schedule
    from mfpde.solvers.flow.time_loop import Observation, State, StepFailure
    from mfpde.solvers.objective.losses.interface import loss
    from mfpde.solvers.objective.losses.pointwise import PointwiseLoss, nodal_loss
    from mfpde.solvers.objective.losses.square import SquareLoss
    from mfpde.solvers.objective.objective import DenseFeatures, Objective
    from mfpde.solvers.objective.representation import Expansion
    from mfpde.solvers.space.axis import Circle, Interval, Line, Radius, Sign
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.geometry import Geometry
    from mfpde.solvers.space.measure import Atoms, Cells
    from mfpde.studies.basins.basins import basins
    from mfpde.studies.bounds.bounds import bounds
    from mfpde.studies.branches.branches import branches
    from mfpde.studies.check import check
    from mfpde.studies.compare.compare import compare
    from mfpde.studies.convergence import convergence
    from mfpde.studies.distance import distance
    from mfpde.studies.ending.ending import ending
    from mfpde.studies.optimum.optimum import optimum
    from mfpde.studies.sgd.replicas import sgd
    from mfpde.studies.solve import solve
    from mfpde.studies.stationary.stationary import stationary

choose_cache(__version__)
install()

_HOMES = {
    "mfpde.configuration.sources": "experiment_of load_configuration",
    "mfpde.experiment": "Dynamics Experiment",
    "mfpde.keys.declaration": "key",
    "mfpde.keys.kinds": "Choice Integer Integers Number Numbers",
    "mfpde.keys.reader": "NON_NEGATIVE POSITIVE Range",
    "mfpde.problem.activations.interface": "Activation activation",
    "mfpde.problem.initial": "InitialLaw joint_law product_law radial_law",
    "mfpde.problem.laws.gaussian_bumps": "BumpInitial GaussianBumps",
    "mfpde.problem.laws.gaussian_mixture": "GaussianMixture MixtureInitial",
    "mfpde.problem.laws.interface": "DataLaw data_law",
    "mfpde.problem.marginals": "Density Normal Tabulated Uniform",
    "mfpde.problem.network": "Knots Network",
    "mfpde.problem.problem": "Problem build_problem",
    "mfpde.results.reading": "load",
    "mfpde.schemes.interface": "Refined Refusal SchemeKind scheme",
    "mfpde.schemes.pair": "Pair",
    "mfpde.solvers.activations.activation": "Bounds",
    "mfpde.solvers.activations.piecewise_linear": "PiecewiseLinear",
    "mfpde.solvers.flow.flow": "Flow Schedule",
    "mfpde.solvers.flow.time_loop": "Observation State StepFailure",
    "mfpde.solvers.objective.losses.interface": "loss",
    "mfpde.solvers.objective.losses.pointwise": "PointwiseLoss nodal_loss",
    "mfpde.solvers.objective.losses.square": "SquareLoss",
    "mfpde.solvers.objective.objective": "DenseFeatures Objective",
    "mfpde.solvers.objective.representation": "Expansion",
    "mfpde.solvers.space.axis": "Circle Interval Line Radius Sign",
    "mfpde.solvers.space.box": "Box",
    "mfpde.solvers.space.geometry": "Geometry",
    "mfpde.solvers.space.measure": "Atoms Cells",
    "mfpde.studies.basins.basins": "basins",
    "mfpde.studies.bounds.bounds": "bounds",
    "mfpde.studies.branches.branches": "branches",
    "mfpde.studies.check": "check",
    "mfpde.studies.compare.compare": "compare",
    "mfpde.studies.convergence": "convergence",
    "mfpde.studies.distance": "distance",
    "mfpde.studies.ending.ending": "ending",
    "mfpde.studies.optimum.optimum": "optimum",
    "mfpde.studies.sgd.replicas": "sgd",
    "mfpde.studies.solve": "solve",
    "mfpde.studies.stationary.stationary": "stationary",
}


def __getattr__(name: str) -> object:
    """Import what is public when it is first used, so that `import mfpde` stays light."""
    home = next((module for module, names in _HOMES.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module 'mfpde' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
