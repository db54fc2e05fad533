"""Fitting a density on the line by equal Gaussian bumps: the finite feature map of their locations.

The unit is phi(x; z) = N(x; z, s^2), the target f(x) = sum_k w_k N(x; m_k, s^2), and the risk the squared L2 distance
with respect to Lebesgue measure,

    R(rho) = ∫(f - f_rho)^2 dx,     U(z, z') = ∫phi(x; z) phi(x; z') dx = N(z; z', 2 s^2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Number, Numbers
from mfpde.keys.reader import POSITIVE_SIZE, SIZE, Range, TableReader
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, in_place_of
from mfpde.problem.law_kinds import LawOf, ends_of
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.marginals import Marginal, Normal, settled
from mfpde.problem.network import Unit
from mfpde.solvers.objective.losses.interface import LOSSES
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.space.axis import Axis, Line

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.bound import Curvature
    from mfpde.solvers.space.box import Box

MAXIMUM_BUMPS = 1000
SQUARE = "square"
"""The loss whose integral is the squared L2 distance."""
LONGEST = 1e6
"""Largest time.end in times s^3 of bumps of width s, in which the potential of one moves another by s."""
WIDEST = 200.0
"""Largest distance of a bump or of the start from 0, in widths of the bumps: features grow in number with it."""
GUIDE_REACH = 20.0
"""Widths s that the bumps of a guide may spread beyond their start and the target."""


@dataclass(frozen=True)
class BumpInitial(Checked):
    """The law of the location of a bump at t = 0."""

    table = "initial"

    position: float | Marginal | None = key(
        Normal(0.0, 2.0), LawOf(), "the locations z of the bumps, a constant or a law"
    )
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> BumpInitial:
        """Points in place of a law."""
        return in_place_of(self, reader, ("position",))

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return ("position",) if name == "points" else ("points",)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the bumps lie at the start."""
        if self.points is None or "z" not in self.points.columns:
            return ends_of(0.0 if self.position is None else self.position)
        return float(self.points.column("z").min(initial=0.0)), float(self.points.column("z").max(initial=0.0))

    @property
    def settings(self) -> BumpInitial:
        """What of it the stationary laws depend on: nothing."""
        return BumpInitial()


@LAWS.register("gaussian-bumps")
@dataclass(frozen=True)
class GaussianBumps(DataLaw):
    """The target f(x) = sum_k w_k N(x; m_k, s^2) on the line, fitted by units N(x; z, s^2) in L2(dx)."""

    centres: tuple[float, ...] = key((-2.0, 0.0, 2.0), Numbers(SIZE, "[-2.0, 0.0, 2.0]"), "m_k of the target's bumps")
    weights: tuple[float, ...] | None = key(
        None,
        Numbers(Range(0.0, 1.0, low_open=True), "[0.25, 0.5, 0.25]"),
        "w_k of the target's bumps, which sum to 1 (equal ones where left out)",
    )
    width: float = key(0.5, Number(POSITIVE_SIZE), "s of every bump")
    loss: str = key(SQUARE, Choice(LOSSES.names), "l of ∫ l(f_rho(x), f(x)) dx")

    Initial = BumpInitial
    network_keys = ()

    def settled(self, reader: TableReader) -> GaussianBumps:
        """As many weights as centres, which sum to 1."""
        centres = self.centres
        if len(centres) > MAXIMUM_BUMPS:
            reader.complain("centres", f"more than {MAXIMUM_BUMPS} bumps", f"at most {MAXIMUM_BUMPS} centres")
            centres = centres[:MAXIMUM_BUMPS]
        equal = (1.0 / len(centres),) * len(centres)
        weights = self.weights or equal
        if words := reader.unlike(weights=self.weights, centres=self.centres):
            reader.complain("weights", words, "one weight per centre")
        elif not (abs(sum(weights) - 1.0) <= 1e-9):
            reader.complain("weights", f"sum to {sum(weights):.12g}", "shares of the target that sum to 1")
        return replace(self, centres=centres, weights=weights if len(weights) == len(centres) else equal)

    @property
    def formulas(self) -> tuple[str, ...]:
        return (
            r"f_\ast(x) = \sum_k w_k\,\mathcal{N}(x; m_k, s^2),\qquad "
            r"f(x;\rho) = \int \mathcal{N}(x; z, s^2)\,\rho(dz)",
            r"L(\rho) = \int \ell(f(x;\rho), f_\ast(x))\,dx",
        )

    @property
    def risk_name(self) -> str:
        return "squared L2 distance" if self.loss == SQUARE else f"integral of the {self.loss} loss"

    @property
    def shares(self) -> tuple[float, ...]:
        """w_k."""
        return self.weights or (1.0 / len(self.centres),) * len(self.centres)

    def axes(self) -> Mapping[str, Axis]:
        return {"z": Line()}

    def start(self, initial: BumpInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        return product_law([settled(initial.position), *heads])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.problem.reduction.trapezoidal import expand

        return expand(self.centres, self.shares, self.width, self.loss, box, accuracy)

    def guide_box(self, box: Box) -> Box:
        import numpy as np

        reach = max(-float(box.lower[0]), *(abs(centre) for centre in self.centres)) + GUIDE_REACH * self.width
        return replace(box, lower=np.array([-reach]), upper=np.array([reach]))

    def problems(self, experiment: Experiment) -> list[str]:
        """The line must be short in widths of the bumps, and the run in their times."""
        end, width = experiment.time.end, self.width
        reach = max(abs(place) for place in (*self.centres, *experiment.initial.ends))
        errors = self._loss_problems()
        if not (reach <= WIDEST * width):
            problem = f"data.width = {width:g}: centres and start reach {reach:g}, beyond {WIDEST:g} widths from 0"
            errors.append(f"{problem}; write a width of at least {reach / WIDEST:.3g}, or places nearer 0")
        if not (end <= LONGEST * width**3):
            problem = f"time.end = {end:g}: bumps of width {width:g} move in times of width^3 = {width**3:.3g}"
            errors.append(f"{problem}; write an end of at most {LONGEST * width**3:.3g}, or a larger data.width")
        return errors

    def _loss_problems(self) -> list[str]:
        """A loss of labels has no meaning for a target that is a density."""
        import numpy as np

        try:
            nodal_loss(self.loss, np.ones(1), np.full(1, 0.5))
        except ValueError as error:
            return [f'data.loss = "{self.loss}": {error}; write loss = "{SQUARE}"']
        return []

    def curvature(self, unit: Unit, positions: Array, weights: Array, outputs: Array, risk: float) -> Curvature | None:
        from mfpde.problem.reduction.curvature import BumpCurvature

        return BumpCurvature(self.width, risk)
