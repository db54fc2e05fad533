"""A stationary law with its class, and what classes it: the landscape on a box, measured against the optimum there."""

from __future__ import annotations

import math
from functools import cached_property

from mfpde.errors import raise_mistakes
from mfpde.problem.landscape import feature_landscape, landscape_on
from mfpde.problem.problem import Problem
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.answers.stationary import StationaryPoint
from mfpde.results.words import excess
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.solvers.stationary.minimum import lowest
from mfpde.solvers.stationary.pair_landscape import PairLandscape
from mfpde.solvers.stationary.stability import Stability, stability
from mfpde.studies.stationary.words import Verdict, judge

OPTIMAL = 1e-10
"""Gap to the optimum, relative to max(F, 1), within which a law counts as optimal: what the certificate reaches."""


class Classifier:
    """Classes stationary laws of a problem on the box 0 <= r_j <= radius, -radius <= a, b <= radius.

    Attributes:
        names: reduced coordinates.
        landscape: G on the box.
        lower, upper: corners of the box.
        feature_error: error of U on the box.
        optimum: the law of least free energy on the box.
        bent: whether Psi has kinks.
    """

    def __init__(self, problem: Problem, radius: float, optimum: AtomicOptimum) -> None:
        self.names, self.radius, self.optimum = problem.geometry.names, radius, optimum
        self.bent = problem.kinks is not None
        self._problem, self._box = problem, problem.geometry.box(radius)
        self.lower, self.upper = self._box.lower, self._box.upper
        self.landscape, self.feature_error = landscape_on(problem, self._box)

    @cached_property
    def by_features(self) -> Landscape:
        """The landscape for laws of many atoms."""
        if not isinstance(self.landscape, PairLandscape):
            return self.landscape
        return feature_landscape(self._problem, self._box)[0]

    def classify(self, law: Atoms, origin: str) -> tuple[StationaryPoint, Stability]:
        """The law with its class, atoms in the order of their coordinates, and its modes; `origin` ends the note."""
        law = law.ordered
        modes = stability(self.landscape, law)
        outputs = self.landscape.outputs(law)
        energy = self.landscape.free_energy(law)
        gap = excess(energy, self.optimum.free_energy)
        best = gap <= OPTIMAL * max(1.0, abs(energy)) + self.optimum.feature_error
        verdict = judge(self.landscape, law, modes, self._better(law, outputs), self.names, self.feature_error)
        slower = self.landscape.flow.scale**2
        point = StationaryPoint(
            positions=law.points,
            masses=law.weights,
            risk=self.landscape.risk(outputs),
            free_energy=energy,
            gap_to_optimum=gap,
            stable=verdict.stable,
            splitting=tuple(
                tuple(mode.eigenvalue / slower for mode in modes.splitting if mode.atom == i)
                for i in range(len(law.weights))
            ),
            drift=tuple(mode.eigenvalue / slower for mode in modes.drift),
            global_optimum=best,
            note=_joined(verdict, origin),
            rate=verdict.rate,
        )
        return point, modes

    def slope_at_origin(self, law: Atoms) -> float:
        """Least one-sided slope of G where all radii of the first atom vanish; below 0 atoms leave from there."""
        return self.landscape.slopes_at_origin(law.points[0], self.landscape.outputs(law))[0]

    def _better(self, law: Atoms, outputs: Array) -> tuple[float, Array] | None:
        """With birth and death: how far G falls below its value on the atoms somewhere in the box, and where."""
        if not self.landscape.flow.fisher_rao_rate > 0.0:
            return None
        least, place = lowest(self.landscape, outputs, self.lower, self.upper)
        return float(self.landscape.potential(law.points, outputs)[0].max()) - least, place


def refuse_stationary(problem: Problem) -> None:
    """Raise ConfigurationError where stationary laws are not made of atoms that rest."""
    messages = []
    if math.isfinite(problem.flow.inverse_temperature):
        messages.append(
            "dynamics.inverse_temperature: finite; with noise the only stationary law is the Gibbs law of "
            "`mfpde optimum`, write inverse_temperature = inf for atoms"
        )
    messages += unmoved(problem)
    raise_mistakes(messages)


def unmoved(problem: Problem) -> list[str]:
    """What keeps atoms from moving, one message each."""
    messages = problem.kept_mass("stationary laws are") + problem.reduced("stationary laws are")
    if not problem.flow.transport:
        messages.append(
            'dynamics.flow: "fisher-rao"; without transport every atom rests where it is, write "wasserstein" or '
            '"wasserstein-fisher-rao"'
        )
    return messages + problem.frozen_problems("atoms need a constant or a trained one")


def _joined(verdict: Verdict, origin: str) -> str:
    return "; ".join(part for part in (*verdict.words, origin) if part)
