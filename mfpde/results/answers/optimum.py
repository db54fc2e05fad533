"""The result of `optimum`: atoms with their certificate, or with noise the Gibbs law."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.objects import Key, atom_list, by_name, computed, labelled, told
from mfpde.results.words import atoms_text, excess, place_text
from mfpde.solvers.arrays import Array

BRIEF = ("risk", "free_energy", "lower_bound", "radius", "atoms", "at_boundary", "certified")
"""What a study of something else tells of the optimum on the stated box."""
SAMPLED = "the lower bound rests on sampled bounds of derivatives: it is not certified"


@ANSWERS.register("optimum")
@dataclass(frozen=True)
class AtomicOptimum(Whole):
    """The law that minimises F = R + lambda ∫|z|^2 drho on the box.

    Attributes:
        names: reduced coordinates.
        risk, free_energy: R and F.
        lower_bound: no law on the box has less free energy.
        radius: R of the box 0 <= r_j <= R, -R <= a, b, z <= R.
        positions, weights: the atoms, shapes (K, D) and (K,).
        boundary_mass: mass on the outer ends of the box; NaN where it is not known, but that there is some.
        feature_error: error of U that the features leave, as stated by the reduction; part of the bound.
        certified: whether F - lower_bound <= 1e-10 F, or F vanishes to rounding.
        larger: (radius, F) on larger boxes, searched and not certified.
        limit: F as the radius grows and the error of the extrapolation, None where the values do not settle.
        proven: whether the bounds of derivatives that the lower bound rests on are.
        margin: where F has an infimum that no law attains, the least of what outputs move by as the coefficients of
            `direction` grow: its positions, shape (K, D), and weights, shape (K,); None where F is attained.
    """

    JSON = (
        *("risk", "free_energy", "lower_bound", "radius", atom_list("positions", "weights", told_if="attained")),
        *(
            atom_list("positions", "weights", "direction", "escapes", True),
            told("margin", optional=True),
            "at_boundary",
        ),
        *("boundary_mass", "certified", "feature_error"),
        *(labelled("larger_radii", ("radius", "free_energy"), "larger"), labelled("limit", ("free_energy", "error"))),
        Key("attained", lambda result, names: None if result.attained else False, lambda value: {}, True),
        "note",
    )

    names: tuple[str, ...]
    risk: float
    free_energy: float
    lower_bound: float
    radius: float
    positions: Array
    weights: Array
    boundary_mass: float
    feature_error: float
    certified: bool
    larger: tuple[tuple[float, float], ...]
    limit: tuple[float, float] | None
    proven: bool = True
    margin: float | None = None

    @property
    def attained(self) -> bool:
        """Whether there is a law of least free energy."""
        return self.margin is None

    @property
    def escapes(self) -> bool:
        """Whether the atoms are a direction instead."""
        return not self.attained

    @property
    def atoms(self) -> tuple[Array, Array] | None:
        """Positions and masses."""
        return self.positions, self.weights

    @property
    def mean(self) -> Array:
        """Of each coordinate."""
        return np.asarray(self.weights @ self.positions)

    @property
    def variance(self) -> Array:
        """Of each coordinate."""
        return np.asarray(self.weights @ (self.positions - self.mean) ** 2)

    @property
    def at_boundary(self) -> bool:
        """Whether mass sits on the outer ends of the box."""
        return self.boundary_mass != 0.0

    @property
    def note(self) -> str:
        """What the radius has to do with it, and what the bound is worth, in words."""
        if not self.attained:
            text = f"not attained: F falls to {self.free_energy:g} as the coefficients of these atoms grow together"
            return (
                f"{text}, every sample on its side by {self.margin:.10g} times as much; write a ridge for a minimiser"
            )
        values = ", ".join(f"{value:.9g} at {radius:g}" for radius, value in self.larger)
        larger = f"larger boxes (searched, not certified) have F = {values}"
        least = min((value for _, value in self.larger), default=self.free_energy)
        depends = self.at_boundary or least < self.free_energy * (1.0 - 1e-6) - 1e-12
        if self.at_boundary:
            text = f"{self.boundary_mass:.6g} of the mass sits at the end of the box: the optimum depends on the radius"
        elif depends:
            text = "no mass at the end of the box, but the optimum depends on the radius"
        else:
            text = "no mass at the end of the box"
        if self.larger and depends:
            text += f"; {larger}; " + (
                "no limit can be read off these values"
                if self.limit is None
                else f"the limit as the radius grows is about {self.limit[0]:.9g}, give or take {self.limit[1]:.1g}"
            )
        elif self.larger:
            text += f", and no less up to radius {self.larger[-1][0]:g} (searched, not certified)"
        if not self.proven:
            return f"{text}; {SAMPLED}"
        if not self.certified:
            gap = excess(self.free_energy, self.lower_bound)
            text += (
                f"; the gap {gap:.2g} to the lower bound, {self.feature_error:.2g} of it from the features, "
                "is above 1e-10 of F: the bound holds but is not tight"
            )
        return text

    def table(self) -> str:
        """The same in words."""
        lines = [
            f"free energy  {self.free_energy:.12g}  (at least {self.lower_bound:.12g})",
            f"risk         {self.risk:.12g}",
            f"radius       {self.radius:g}",
        ]
        for position, weight in zip(self.positions, self.weights, strict=True):
            lines.append(f"atom         weight {weight:.10g} at {place_text(self.names, position, 10)}")
        return "\n".join([*lines, self.note])

    def brief(self) -> dict[str, Any]:
        """What a study of something else tells of it, as JSON."""
        whole = self.to_json()
        return {key: whole[key] for key in BRIEF}

    def line(self) -> str:
        """The same in a line of words."""
        if not self.attained:
            return f"optimum: risk {self.risk:g}, which no law attains (margin {self.margin:.6g})"
        place = atoms_text(self.names, self.positions, self.weights)
        edge = ", mass at the end of the box" if self.at_boundary else ""
        known = "certified" if self.certified else f"certified only to be at least {self.lower_bound:.4g}"
        return f"optimum on the box of radius {self.radius:g} ({known}{edge}): risk {self.risk:.10g}, {place}"

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a brief object leaves out."""
        mass = math.nan if content["at_boundary"] else 0.0
        return {
            **super().untold(content),
            "boundary_mass": mass,
            "feature_error": math.nan,
            "larger": [],
            "limit": None,
            "proven": not str(content.get("note", "")).endswith(SAMPLED),
        }


@ANSWERS.register("gibbs")
@dataclass(frozen=True)
class GibbsOptimum(Whole):
    """The law that minimises the free energy.

    Attributes:
        names: reduced coordinates.
        risk: R.
        free_energy: F, the surface constants of the entropy included.
        lower_bound: lower bound of F from the dual, less the change of the quadrature and the error of the features.
        mean, variance: per coordinate.
        radius: the box [0, radius] searched, None where it was chosen to hold all the mass.
        at_boundary: whether mass sits at the outer end of the box.
        quadrature_change: change of F in the last refinement of the quadrature.
        feature_error: error of U on the box, None in files of earlier versions.
    """

    JSON = (
        *("risk", "free_energy", "lower_bound", "radius", computed("atoms", lambda best, names: []), "at_boundary"),
        *(by_name("mean"), by_name("variance"), "quadrature_change"),
        told("feature_error", optional=True),
    )

    names: tuple[str, ...]
    risk: float
    free_energy: float
    lower_bound: float
    mean: Array
    variance: Array
    radius: float | None
    at_boundary: bool
    quadrature_change: float
    feature_error: float | None = None

    @property
    def atoms(self) -> None:
        """None: it has a density."""

    def table(self) -> str:
        """The same in words."""
        lines = [
            f"free energy  {self.free_energy:.12g}  (at least {self.lower_bound:.12g})",
            f"risk         {self.risk:.12g}",
            f"errors       quadrature {self.quadrature_change:.1e}, features {self.feature_error or 0.0:.1e}",
            *(
                f"{name:<11}  mean {mean:.10g}, variance {variance:.10g}"
                for name, mean, variance in zip(self.names, self.mean, self.variance, strict=True)
            ),
        ]
        if self.at_boundary:
            lines.append(f"mass sits at the end of the box: the optimum depends on --radius {self.radius:g}")
        return "\n".join(lines)

    def brief(self) -> dict[str, Any]:
        """What a study of something else tells of it, as JSON."""
        return self.to_json()

    def line(self) -> str:
        """The same under a headline."""
        return f"optimum:\n{self.table()}"
