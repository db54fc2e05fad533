"""The result of `optimum` for signed masses on a circle or a sphere."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.answers.optimum import SAMPLED
from mfpde.results.objects import atom_list, computed
from mfpde.results.words import excess, place_text
from mfpde.solvers.arrays import Array


@ANSWERS.register("signed-optimum")
@dataclass(frozen=True)
class SignedOptimum(Whole):
    """The signed measure that minimises F = R + 2 lambda |mu|_TV on a circle or a sphere, by its atoms.

    Attributes:
        names: reduced coordinates: the place, the sign.
        risk, free_energy: R and F.
        lower_bound: no measure has less free energy.
        positions, weights: the atoms, shapes (K, D) and (K,); weights > 0.
        penalty: lambda.
        certificate: an upper bound of sup |eta|, eta = -<phi, grad L> / lambda, 1 at the optimum.
        residual: largest slope of F / 2 in the weights and places.
        certified: whether F - lower_bound <= 1e-10 F and the certificate is within 1 + 1e-10.
        proven: whether the bound of eta'' that the certificate rests on is.
        angles, dual: equal places of one turn, and eta there, shape (n,); empty on a sphere.
    """

    FIGURES = ("optimum",)
    JSON = (
        *("risk", "free_energy", "lower_bound", computed("radius", lambda best, names: None)),
        *(atom_list("positions", "weights"), computed("at_boundary", lambda best, names: False)),
        *("penalty", "certificate", "residual", "certified", "proven", "angles", "dual"),
    )

    names: tuple[str, ...]
    risk: float
    free_energy: float
    lower_bound: float
    positions: Array
    weights: Array
    penalty: float
    certificate: float
    residual: float
    certified: bool
    proven: bool
    angles: Array
    dual: Array

    @property
    def atoms(self) -> tuple[Array, Array]:
        """Positions and masses."""
        return self.positions, self.weights

    def table(self) -> str:
        """The same in words."""
        gap = excess(self.free_energy, self.lower_bound)
        lines = [
            f"free energy  {self.free_energy:.12g}  (at least {self.lower_bound:.12g}, a gap of {gap:.1e})",
            f"risk         {self.risk:.12g}",
            f"mass         {float(self.weights.sum()):.12g}",
        ]
        for position, weight in zip(self.positions, self.weights, strict=True):
            lines.append(f"atom         weight {weight:.10g} at {place_text(self.names, position, 10)}")
        if not len(self.weights):
            lines.append("no atom: with this penalty the measure 0 is optimal")
        lines.append(f"sup |eta|    at most 1 {self.certificate - 1.0:+.1e}")
        return "\n".join(lines if self.proven else [*lines, SAMPLED])
