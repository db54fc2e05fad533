"""The law of least risk on a box, with a certificate.

    F(rho) = 2 L(Phi rho) + 2 ∫V drho  is convex: rho is optimal iff its atoms lie in argmin Psi + V, and
    F(mu) >= F(rho) - 2 (∫Psi + V drho - min Psi + V)        for every law mu on the box.

The law comes from Frank-Wolfe and Newton (`optimum_search`, `optimum_newton`); the minimum of Psi + V is bounded
over the whole box by branch and bound (`optimum_bound`), not sampled. A bound that meets a lower value than the
atoms have sends that point back to the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..flow.confinement import Confinement
from ..objective.losses.interface import least
from ..objective.objective import Objective
from ..space.measure import Atoms
from .bound import Curvature, global_lower_bound
from .newton import EPSILON, SearchBox
from .search import optimal_law


@dataclass(frozen=True)
class CertifiedLaw:
    """A law of least free energy on the box, and how well that is known.

    Attributes:
        law: atoms, sorted by their first coordinate, and weights.
        outputs: Phi rho, shape (M,).
        risk: R.
        free_energy: F.
        lower_bound: no law on the box has less free energy.
        evaluations: values of Psi that the bound took.
        tight: whether the gap is within the tolerance asked for, or F the least 2 L to rounding.
    """

    law: Atoms
    outputs: Array
    risk: float
    free_energy: float
    lower_bound: float
    evaluations: int
    tight: bool


CurvatureOf = Callable[[Atoms, Array, float], Curvature]
"""(law, outputs, |grad L|^2) -> bounds of the derivatives of Psi of that law, without V; the norm is that of
sum g^2 / omega, in which |Psi| <= |grad L| |Phi|_omega: the risk itself (without its constant) for the square loss."""


def certified_optimum(
    objective: Objective,
    box: SearchBox,
    curvature_of: CurvatureOf,
    tolerance: float = 1e-10,
    most_evaluations: int = 2_000_000,
) -> CertifiedLaw:
    """The optimum on a box, with F - lower_bound <= tolerance |F| where the evaluations suffice.

    Raises:
        ArithmeticError: if Psi is not finite on the box.
    """
    law = optimal_law(objective, box)
    for _ in range(5):
        found, point = _certified(objective, box, law, curvature_of, tolerance, most_evaluations)
        if point is None:
            break
        # a minimum that the samples missed
        start = Atoms(np.vstack([law.points, point]), np.append(law.weights, 0.0))
        law = optimal_law(objective, box, start)
    return found


def _certified(
    objective: Objective,
    box: SearchBox,
    law: Atoms,
    curvature_of: CurvatureOf,
    tolerance: float,
    most_evaluations: int,
) -> tuple[CertifiedLaw, Array | None]:
    """The law with its bound, and a point where Psi is clearly below its mean if the bound met one."""
    outputs = box.outputs(objective, law)
    risk, energy = objective.risk(outputs), box.free_energy(objective, law)
    values = objective.features.values(law.points)
    mean = float(law.weights @ box.potential(objective, outputs, law.points))
    rounding = 8.0 * EPSILON * float(np.abs(objective.loss_gradient(outputs)) @ np.abs(values).max(axis=0))
    floor = least(objective.loss)
    accuracy = 0.2 * tolerance * abs(energy) + rounding
    if box.within(objective, energy):
        # the least 2 L bounds F as well as any bound of these features, or the gradient of the loss is rounding
        tight = energy <= box.least(objective)
        return CertifiedLaw(law.ordered, outputs, risk, energy, min(floor, energy), 0, tight), None
    bound = global_lower_bound(
        lambda points: box.potential(objective, outputs, points),
        _Confined(curvature_of(law, outputs, _squared_slope(objective, outputs)), box.confinement),
        box.lower,
        box.upper,
        mean,
        accuracy,
        most_evaluations,
    )
    lower = max(energy - 2.0 * (mean - bound.lower + rounding), floor)
    found = CertifiedLaw(
        law=law.ordered,
        outputs=outputs,
        risk=risk,
        free_energy=energy,
        lower_bound=lower,
        evaluations=bound.evaluations,
        tight=energy - lower <= tolerance * abs(energy),
    )
    return found, bound.point if bound.value < mean - 0.5 * accuracy else None


def _squared_slope(objective: Objective, outputs: Array) -> float:
    """|grad L|^2 = sum g^2 / omega."""
    loss = objective.loss
    return loss.risk(outputs) if loss.quadratic else float(np.sum(loss.gradient(outputs) ** 2 / loss.metric))


@dataclass(frozen=True)
class _Confined:
    """Derivative bounds of Psi + V."""

    inner: Curvature
    confinement: Confinement

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        return self.inner.second_derivatives(lower, upper) + self.confinement.bends(lower, upper)

    def slopes(self, lower: Array, upper: Array) -> Array:
        return self.inner.slopes(lower, upper) + self.confinement.slopes(lower, upper)
