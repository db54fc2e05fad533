"""A problem: what is learned, reduced by symmetry to an objective on a few coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mfpde import experiment as declared
from mfpde.problem.activations.interface import Activation
from mfpde.problem.activations.piecewise_linear import PiecewiseLinear
from mfpde.problem.activations.registry import BY_NAME
from mfpde.problem.initial import InitialLaw, gaussian_blocks, product_law, radial_law
from mfpde.problem.laws.gaussian_bumps import BumpReduction
from mfpde.problem.laws.gaussian_mixture import reduce_mixture
from mfpde.problem.laws.interface import Reduction
from mfpde.problem.marginals import Marginal, Normal, Tabulated, Uniform
from mfpde.problem.reduction.coefficient import AffineUnit
from mfpde.problem.reduction.mixture import GaussianMixture
from mfpde.problem.reduction.trapezoidal import GaussianBumps
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.space.geometry import Geometry


@dataclass(frozen=True)
class Problem:
    """Everything a scheme is built from.

    Attributes:
        geometry: the reduced coordinates.
        flow: ridge, noise, schedule.
        initial_law: rho_0 in the reduced coordinates.
        reduction: the feature map of the data law and unit, at any accuracy and on any box.
    """

    geometry: Geometry
    flow: Flow
    initial_law: InitialLaw
    reduction: Reduction


def build_problem(configuration: declared.Experiment) -> Problem:
    """The problem a configuration declares."""
    return _bumps(configuration) if configuration.data.law == "gaussian-bumps" else _mixture(configuration)


def _bumps(configuration: declared.Experiment) -> Problem:
    data, law = configuration.data, configuration.initial.position
    if data.centres is None or data.weights is None or data.width is None or law is None:
        raise ValueError("gaussian-bumps need centres, weights, a width and the law of the position")
    start = Normal(law.mean, law.std) if isinstance(law, declared.Normal) else Uniform(law.low, law.high)
    return Problem(
        geometry=Geometry(names=("z",), block_dimensions=(0.0,), mobile=(True,)),
        flow=_flow(configuration.dynamics),
        initial_law=product_law([start]),
        reduction=BumpReduction(GaussianBumps(data.centres, data.weights, data.width)),
    )


def _mixture(configuration: declared.Experiment) -> Problem:
    data, network = configuration.data, configuration.network
    dimensions = tuple(map(float, data.dims)) if data.dims else (math.inf,) * data.blocks
    fractions = data.fractions or tuple(p / sum(dimensions) for p in dimensions)
    mixture = GaussianMixture(dimensions, data.block_scales, fractions)
    moving_a, moving_b = network.coefficients == "trained", network.offsets == "trained"
    a, b = configuration.initial.a, configuration.initial.b if network.offsets != "none" else 0.0
    has_a = moving_a or isinstance(a, declared.Normal)
    has_b = moving_b or isinstance(b, declared.Normal)
    unit = build_activation(network.activation)
    unit = fold(unit, 1.0 if has_a else constant_of(a), 0.0 if has_b else constant_of(b))
    geometry = Geometry(
        names=(*(f"r{j + 1}" for j in range(data.blocks)), *("a" for _ in range(has_a)), *("b" for _ in range(has_b))),
        block_dimensions=(*dimensions, *(0.0 for _ in range(has_a + has_b))),
        mobile=(*(True for _ in dimensions), *(moving_a for _ in range(has_a)), *(moving_b for _ in range(has_b))),
    )
    others = [_marginal(law) for law, present in ((a, has_a), (b, has_b)) if present]
    return Problem(
        geometry=geometry,
        flow=_flow(configuration.dynamics),
        initial_law=_initial_law(configuration.initial, mixture, others),
        reduction=reduce_mixture(unit, mixture, has_coefficient=has_a, has_offset=has_b),
    )


def _flow(dynamics: declared.Dynamics) -> Flow:
    return Flow(
        ridge=dynamics.ridge,
        inverse_temperature=dynamics.inverse_temperature,
        fisher_rao_rate=dynamics.fisher_rao_rate,
        transport=dynamics.flow != "fisher-rao",
        schedule=dynamics.schedule,
    )


def build_activation(declaration: str | declared.PiecewiseLinear) -> Activation:
    """The activation named, or given by its knots."""
    if isinstance(declaration, str):
        return BY_NAME[declaration]()
    return PiecewiseLinear.through(np.array(declaration.knots), np.array(declaration.values))


def fold(unit: Activation, coefficient: float, offset: float) -> Activation:
    """The activation with a constant coefficient and offset in it."""
    if isinstance(unit, PiecewiseLinear):
        return unit.affine(coefficient, offset)
    return unit if (coefficient, offset) == (1.0, 0.0) else AffineUnit(unit, coefficient, offset)


def constant_of(law: float | declared.Normal) -> float:
    """The value of a law that is a constant (its mean where it is none)."""
    return law.mean if isinstance(law, declared.Normal) else float(law)


def _marginal(law: float | declared.Normal) -> Marginal | float:
    if isinstance(law, declared.Normal) and law.std > 0:
        return Normal(law.mean, law.std)
    return constant_of(law)


def _initial_law(initial: declared.Initial, mixture: GaussianMixture, others: list[Marginal | float]) -> InitialLaw:
    dimensions, fractions = mixture.dimensions, mixture.fractions
    if initial.kappa is not None:
        return product_law([*gaussian_blocks(initial.kappa, dimensions, fractions), *others])
    if isinstance(initial.radius, declared.UniformRadius):
        low, high = initial.radius.low, initial.radius.high
        return radial_law(Uniform(low, high), dimensions, fractions, others)
    if initial.radius is None:
        raise ValueError("an initial law needs kappa or radius")
    table = Tabulated(np.array(initial.radius.radii), np.array(initial.radius.densities))
    return radial_law(table, dimensions, fractions, others)
