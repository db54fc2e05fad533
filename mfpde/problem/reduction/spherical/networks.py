"""The risk of finite networks on sums of functions of the first coordinates of x, Gaussian or on a sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.normal import Teacher

if TYPE_CHECKING:
    from mfpde.solvers.networks.population import Population


def population(
    sampler: Any, activation: Activation, teachers: tuple[Teacher, ...], spherical: bool, cones: bool
) -> Population:
    """Of networks of an activation.

    Args:
        sampler: of (x, y), of which the noise and the dimension are read.
        cones: whether all teachers are homogeneous of degree 1.
    """
    from mfpde.solvers.harmonics.targets import ZonalTarget
    from mfpde.solvers.networks.projections import ProjectedPopulation
    from mfpde.solvers.networks.spherical import SphericalPopulation

    if not spherical:
        return ProjectedPopulation(sampler, activation, teachers)
    gaussian = ProjectedPopulation(sampler.gaussian, activation, teachers)
    target = ZonalTarget(sampler.dimension, teachers)
    return SphericalPopulation(activation, target, sampler.gaussian.noise, gaussian if cones else None)
