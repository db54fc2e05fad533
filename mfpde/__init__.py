"""mfpde: the mean-field PDE of wide two-layer networks, reduced by symmetry and solved."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mfpde.shell.compiled_cache import choose_cache
from mfpde.shell.user_files import install

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mfpde.configuration.sources import experiment_of, load_configuration
    from mfpde.errors import ConfigurationError
    from mfpde.experiment import Experiment
    from mfpde.keys.declaration import key
    from mfpde.keys.kinds import Choice, Integer, Integers, Number, Numbers
    from mfpde.keys.reader import NON_NEGATIVE, POSITIVE, Range
    from mfpde.problem.activations.interface import Activation, activation
    from mfpde.problem.initial.joint import joint_law
    from mfpde.problem.initial.law import InitialLaw, product_law
    from mfpde.problem.initial.radial import radial_law
    from mfpde.problem.law_kinds import LawOf, marginal
    from mfpde.problem.laws.gaussian_bumps import BumpInitial, GaussianBumps
    from mfpde.problem.laws.gaussian_mixture import GaussianMixture, MixtureInitial
    from mfpde.problem.laws.interface import DataLaw, data_law
    from mfpde.problem.marginals import Density, Normal, Tabulated, Uniform, Values
    from mfpde.problem.network import Knots, Network
    from mfpde.problem.problem import Problem, build_problem
    from mfpde.results.reading import load
    from mfpde.schemes.interface import Refined, Refusal, SchemeKind, scheme
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.activations.activation import Bounds
    from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
    from mfpde.solvers.flow.flow import Flow, Mobility, Schedule
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
    from mfpde.studies.generalisation.generalisation import generalisation
    from mfpde.studies.kernel.kernel import kernel
    from mfpde.studies.margin.margin import margin
    from mfpde.studies.optimum.optimum import optimum
    from mfpde.studies.predict import predict
    from mfpde.studies.rates.rates import rates
    from mfpde.studies.report.report import report
    from mfpde.studies.sgd.replicas import sgd
    from mfpde.studies.solve import solve
    from mfpde.studies.stationary.stationary import stationary
    from mfpde.tables.dynamics import Dynamics

__all__ = ["basins", "bounds", "branches", "check", "compare", "convergence", "distance", "ending"]
__all__ += ["generalisation", "kernel", "margin", "optimum", "predict", "rates", "report", "sgd", "solve", "stationary"]
__all__ += ["Dynamics", "Experiment", "Problem", "build_problem"]
__all__ += ["ConfigurationError", "__version__", "experiment_of", "load", "load_configuration"]
__all__ += ["DataLaw", "DenseFeatures", "Expansion", "data_law"]
__all__ += ["BumpInitial", "GaussianBumps", "GaussianMixture", "MixtureInitial"]
__all__ += ["Activation", "Bounds", "Knots", "Network", "PiecewiseLinear", "activation"]
__all__ += ["Density", "InitialLaw", "LawOf", "Normal", "Tabulated", "Uniform", "Values"]
__all__ += ["joint_law", "marginal", "product_law", "radial_law"]
__all__ += ["Objective", "PointwiseLoss", "SquareLoss", "loss", "nodal_loss"]
__all__ += ["Atoms", "Box", "Cells", "Circle", "Geometry", "Interval", "Line", "Radius", "Sign"]
__all__ += ["Flow", "Mobility", "Observation", "Schedule", "State", "StepFailure"]
__all__ += ["Pair", "Refined", "Refusal", "SchemeKind", "scheme"]
__all__ += ["NON_NEGATIVE", "POSITIVE", "Choice", "Integer", "Integers", "Number", "Numbers", "Range", "key"]

choose_cache(__version__)
install()


@cache
def _homes() -> dict[str, str]:
    """The modules of the public names, from the imports above: type checkers follow them, nothing runs them."""
    import ast
    from pathlib import Path

    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def __getattr__(name: str) -> object:
    """Import what is public when it is first used, so that `import mfpde` stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'mfpde' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_homes()[name]), name)


def __dir__() -> list[str]:
    return __all__
