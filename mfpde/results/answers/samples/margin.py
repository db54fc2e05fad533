"""The result of `margin`: the largest margins of the classes of a data set, and what reaches them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.objects import Part, atom_list, computed
from mfpde.results.words import place_text
from mfpde.solvers.activations.activation import ARCCOSINE, Arc
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.arcs import pairs
from mfpde.solvers.optimum.sphere.pricing import Slopes, responses

ASCENTS = "the upper end rests on ascents from many directions, not on all of them: it is not certified"
APART = "no margin above 0: no function of such units has the classes on their sides"


@dataclass(frozen=True)
class VariationSide(Part):
    """gamma_1 = max over |m|_TV <= 1 of min_p y_p ∫ sigma(<u, X_p>) dm.

    Attributes:
        lower: what the atoms reach: gamma_1 is no less, to rounding.
        upper: gamma_1 is no more, if `certified`.
        certified: whether every direction was looked at.
        positions, weights: directions with their signs, shape (K, D + 1), and masses of sum 1, shape (K,).
    """

    JSON = (
        *(computed("margin", lambda side, names: side.lower), "lower", "upper", "certified"),
        atom_list("positions", "weights"),
    )

    lower: float
    upper: float
    certified: bool
    positions: Array
    weights: Array


@dataclass(frozen=True)
class KernelSide(Part):
    """gamma_2 = max over |f|_H <= 1 of min_p y_p f(X_p), f = sum_p weights_p K(X_p, .).

    Attributes:
        margin: what f reaches.
        upper: gamma_2 is no more.
        weights: shape (P,), 0 but for samples at the margin.
    """

    margin: float
    upper: float
    weights: Array


@ANSWERS.register("margin")
@dataclass(frozen=True)
class Margins(Whole):
    """The largest margins of the classes of a data set.

    Attributes:
        names: coordinates of a direction, and its sign.
        variation: by total variation, which training of whole neurons comes to.
        rkhs: by the kernel of uniform directions, which training of outputs alone comes to.
        slopes: sigma' to the right of 0 and to the left.
        points, classes: X_p, with the coordinate 1 where there are offsets, shape (P, D), and y_p.
    """

    FIGURES = ("margin",)
    NOTHING = "samples in the plane, with or without offsets, have decision lines to draw; other data have none"
    JSON = ("variation", "rkhs", "slopes", "points", "classes")

    names: tuple[str, ...]
    variation: VariationSide
    rkhs: KernelSide
    slopes: Slopes
    points: Array
    classes: Array

    @property
    def offset(self) -> bool:
        """Whether the last coordinate is 1."""
        return "b" in self.names

    def outputs(self, x: Array) -> tuple[Array, Array]:
        """The functions that reach the two margins at inputs x of shape (n, d), each of shape (n,)."""
        points = np.column_stack([x, np.ones(len(x))]) if self.offset else np.asarray(x, dtype=float)
        units, signs = self.variation.positions[:, :-1], self.variation.positions[:, -1]
        wide = (signs * self.variation.weights) @ responses(units, points, self.slopes)
        return wide, sphere_kernel(self.slopes, points, self.points) @ self.rkhs.weights

    def table(self) -> str:
        """Both margins, their ratio and the atoms."""
        wide, narrow = self.variation, self.rkhs
        lines = [
            f"gamma_1  {wide.lower:.12g}  (variation norm; at most {wide.upper:.12g}, wider by "
            f"{wide.upper - wide.lower:.1e})",
            f"gamma_2  {narrow.margin:.12g}  (kernel; at most {narrow.upper:.12g})",
        ]
        if wide.lower > 0.0 and narrow.margin > 0.0:
            lines.append(f"ratio    {wide.lower / narrow.margin:.6g}")
        for position, weight in zip(wide.positions, wide.weights, strict=True):
            lines.append(f"atom     weight {weight:.8g} at {place_text(self.names, position, 8)}")
        if not (wide.lower > 0.0):
            lines.append(APART)
        return "\n".join(lines if wide.certified else [*lines, ASCENTS])


def sphere_kernel(slopes: Slopes, points: Array, others: Array) -> Array:
    """E sigma(<u, X>) sigma(<u, X'>) for u uniform on the sphere, shape (n, n'): that of normal u over D."""
    right, left = slopes
    squares, other = (np.einsum("ni,ni->n", each, each) for each in (points, others))
    arc = Arc(ARCCOSINE, (right - left) ** 2, right * left)
    return np.asarray(pairs(arc, squares, other, points @ others.T)[0] / points.shape[1])
