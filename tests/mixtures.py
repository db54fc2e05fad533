"""Mixtures and problems on them, as the tests name them."""

from __future__ import annotations

from mfpde.problem.laws.gaussian_mixture import INFINITE, GaussianMixture
from mfpde.problem.network import Network
from mfpde.problem.problem import Problem
from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.solvers.activations.activation import Activation


def with_delta(delta: float, dimensions: tuple[float, ...], fractions: tuple[float, ...]) -> BlockMixture:
    """Scales 1 ± delta on the first block and 1 on the others."""
    rest = ((1.0, 1.0),) * (len(dimensions) - 1)
    return BlockMixture(dimensions, ((1.0 + delta, 1.0 - delta), *rest), fractions)


def problem_on(
    unit: Activation, mixture: BlockMixture, has_coefficient: bool = False, has_offset: bool = False
) -> Problem:
    """The problem of this unit on this mixture; a and b are coordinates where they are said to be."""
    law = GaussianMixture(
        delta=None,
        scales=mixture.scales,
        dims=INFINITE if mixture.infinite else tuple(map(int, mixture.dimensions)),
        fractions=mixture.fractions if mixture.infinite else None,
    )
    return Problem(law, Network(unit, "trained" if has_coefficient else "fixed", "trained" if has_offset else "none"))
