"""A followed branch: its equations, and samples with the flow linearised at each."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.continuation import CurvePoint, between
from mfpde.solvers.stationary.stability import Stability, stability
from mfpde.studies.branches.equations import Landscapes, LawEquations, Site
from mfpde.studies.stationary.words import sign_tolerance


@dataclass(frozen=True)
class Sample:
    """A point of a branch.

    Attributes:
        point: on the curve.
        law: of that point.
        modes: the linearised flow.
        tolerance: size of an eigenvalue below which its sign is rounding.
    """

    point: CurvePoint
    law: Atoms
    modes: Stability
    tolerance: float


@dataclass(frozen=True)
class FollowedBranch:
    """A curve of stationary laws, and its samples in order along it."""

    equations: LawEquations
    samples: tuple[Sample, ...]

    @property
    def landscapes(self) -> Landscapes:
        """Of the family."""
        return self.equations.landscapes

    @property
    def count(self) -> int:
        """Number of atoms."""
        return len(self.samples[0].law.weights)

    def site(self, state: Array) -> Site:
        """The landscape at the parameter of a state."""
        return self.landscapes.at(float(state[-1]))

    def value(self, state: Array) -> float:
        """The key's value at a state."""
        return self.landscapes.value(float(state[-1]))

    def middle(self, first: Sample, second: Sample, share: float) -> Sample:
        """The sample at a share of the way between two neighbours."""
        state = between(self.equations, first.point, second.point, share)
        return sample(self.equations, CurvePoint(state, first.point.tangent))


def sample(equations: LawEquations, point: CurvePoint) -> Sample:
    """The law of a point and the flow around it."""
    law = equations.law(point.state)
    site = equations.landscapes.at(point.parameter)
    modes = stability(site.landscape, law)
    return Sample(point, law, modes, sign_tolerance(modes, site.feature_error))
