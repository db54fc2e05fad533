"""The signed measure of least loss and total variation on a circle, with its dual value.

    J(mu) = L(Phi mu) + lambda |mu|_TV,     eta = -<phi, grad L(Phi mu)> / lambda.

J is convex; mu is optimal iff |eta| <= 1 and eta = sign of mu on its support. Whatever mu is, g = grad L(Phi mu)
divided by max(1, sup |eta|) is feasible in the dual, max -L*(g) over |<phi, g>| <= lambda, and so

    J(mu) - min J <= L(Phi mu) + L*(g) + lambda |mu|_TV.

The peaks of the same problem on a grid, a least-squares problem of masses >= 0, are where Newton's method starts in the
weights and places of few atoms; the supremum of |eta| is bounded by branch and bound, and a place beyond 1 sent back.
(Duval, Peyre: Exact support recovery for sparse spikes deconvolution, Found. Comput. Math. 15 (2015) 1315.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..objective.objective import Objective
from .bound import global_lower_bound

FEWEST, PER_FEATURE, MOST_NODES = 256, 8, 4096
"""Nodes of the grid: at least, per feature, and at most."""
CONSTRAINT = 1e-4
"""Share of the penalty that turning it into a square adds."""
NEGLIGIBLE = 1e-9
"""Weight over the total below which a node holds nothing, and an atom is given up."""
STEPS, HALVINGS = 60, 40
ROUNDING = 2e-15
"""Of slopes, relative to what they add up."""
DIFFERENCE = 1e-5
"""Step of the differences of slopes, over the period: their error costs Newton's method a factor of it only."""
ROUNDS = 12
"""Times a place beyond the certificate is sent back."""
ACCURACY = 1e-13
"""Of the supremum of |eta|."""
START = 1e-3
"""Weight of an atom sent back, over the total."""
MERGED = 1e-5
"""Distance over the period below which atoms of one sign are one."""

Bend = Callable[[Array], float]
"""g -> a bound of |d^2 <phi, g> / d theta^2|."""


@dataclass(frozen=True)
class SignedMeasure:
    """sum_k signs_k weights_k delta_{places_k} and how far from the optimum it is.

    Attributes:
        places, signs, weights: shape (K,), in the order of the places; weights > 0.
        outputs: Phi mu, shape (M,).
        value: J.
        dual: a lower bound of J, but for the rounding of sup |eta|.
        gap: J - dual, free of cancellation.
        certificate: an upper bound of sup |eta|.
        residual: largest |d J / d weight| and |d J / d place|.
        gradient: grad L, of which eta is made.
    """

    places: Array
    signs: Array
    weights: Array
    outputs: Array
    value: float
    dual: float
    gap: float
    certificate: float
    residual: float
    gradient: Array


@dataclass(frozen=True)
class _Atoms:
    """Atoms whose signs do not change."""

    places: Array
    signs: Array
    weights: Array

    def kept(self, chosen: NDArray[Any]) -> _Atoms:
        """Some of them."""
        return _Atoms(self.places[chosen], self.signs[chosen], self.weights[chosen])

    def moved(self, step: Array) -> _Atoms:
        """With (weights, places) moved."""
        half = len(step) // 2
        return replace(self, weights=self.weights + step[:half], places=self.places + step[half:])


@dataclass(frozen=True)
class _Program:
    """J on a circle.

    Attributes:
        objective: L and the features of the place.
        penalty: lambda > 0.
        period: of the circle.
        bend: as that of `signed_optimum`.
    """

    objective: Objective
    penalty: float
    period: float
    bend: Bend

    def outputs(self, law: _Atoms) -> Array:
        """Phi mu."""
        return self.objective.outputs(self.turned(law.places), law.signs * law.weights)

    def turned(self, places: Array) -> Array:
        """Places within one turn, shape (n, 1)."""
        turned = np.mod(places, self.period)
        return np.where(turned < self.period, turned, 0.0)[:, None]

    def value(self, law: _Atoms) -> float:
        """J."""
        return self.objective.loss.value(self.outputs(law)) + self.penalty * float(law.weights.sum())

    def model(self, law: _Atoms) -> tuple[Array, Array, float]:
        """Gradient and Hessian of J in (weights, places), and the scale of their rounding."""
        points, loss = self.turned(law.places), self.objective.loss
        values, slopes = self.objective.features.values_and_gradients(points)
        outputs = self.outputs(law)
        g = loss.gradient(outputs)
        weighted = law.signs * law.weights
        jacobian = np.vstack([law.signs[:, None] * values, weighted[:, None] * slopes[:, :, 0]])
        gradient = np.concatenate([law.signs * (values @ g) + self.penalty, weighted * (slopes[:, :, 0] @ g)])
        root = loss.hessian(outputs).root()
        hessian = (jacobian @ root) @ (jacobian @ root).T
        apart = DIFFERENCE * self.period
        ends = [
            self.objective.features.contract(self.turned(law.places + side * apart), g)[1][:, 0] for side in (1, -1)
        ]
        count = np.arange(len(weighted))
        hessian[count + len(count), count + len(count)] += weighted * (ends[0] - ends[1]) / (2.0 * apart)
        hessian[count, count + len(count)] += law.signs * (slopes[:, :, 0] @ g)
        hessian[count + len(count), count] += law.signs * (slopes[:, :, 0] @ g)
        scale = self.penalty + float(np.abs(values) @ np.abs(g) @ np.ones(len(count))) + loss.rounding(outputs)
        return gradient, hessian, scale


def signed_optimum(objective: Objective, penalty: float, bend: Bend, period: float = 2.0 * np.pi) -> SignedMeasure:
    """The measure of least J.

    Args:
        objective: a quadratic loss of features of the place, shape (n, 1).
        penalty: lambda > 0.
        bend: of a vector g of M numbers a bound of |d^2 <phi, g> / d theta^2| on the circle.

    Raises:
        ValueError: a penalty that is not above 0, or a loss that is not quadratic.
    """
    if not (0.0 < penalty < np.inf):
        raise ValueError(f"a signed optimum needs a penalty > 0, got {penalty}")
    if not objective.loss.quadratic:
        raise ValueError("a signed optimum is found under quadratic losses")
    program = _Program(objective, penalty, period, bend)
    law = _settled(program, _from_grid(program))
    for _ in range(ROUNDS):
        g = objective.loss_gradient(program.outputs(law))
        top, place, sign = _supremum(program, g)
        if top <= 1.0 + 2.0 * ACCURACY or _near(program, law, place, sign):
            break
        weight = START * max(float(law.weights.sum()), NEGLIGIBLE)
        more = _Atoms(np.append(law.places, place), np.append(law.signs, sign), np.append(law.weights, weight))
        law = _settled(program, more)
    return _answer(program, law)


def _from_grid(program: _Program) -> _Atoms:
    """The peaks of the problem on a grid.

    min |A m - y|^2 / 2 + lambda sum m, m >= 0, is one of least squares with the further row r sum m and its target
    -lambda / r, up to r^2 (sum m)^2 / 2.
    """
    from scipy.optimize import nnls

    objective, loss = program.objective, program.objective.loss
    rank = objective.features.rank
    count = int(np.clip(PER_FEATURE * rank, FEWEST, MOST_NODES))
    nodes: Array = program.period / count * np.arange(float(count))
    root = np.sqrt(loss.metric)
    columns = (objective.features.values(nodes[:, None]) * root).T
    target = root * loss.conjugate_gradient(np.zeros(rank))
    mass = max(float(target @ target) / (2.0 * program.penalty), NEGLIGIBLE)
    row = np.sqrt(CONSTRAINT * program.penalty / mass)
    whole = np.vstack([np.hstack([columns, -columns]), np.full((1, 2 * count), row)])
    masses, _ = nnls(whole, np.append(target, -program.penalty / row), maxiter=100 * count)
    places, signs, weights = [], [], []
    for sign, part in ((1.0, masses[:count]), (-1.0, masses[count:])):
        for run in _runs(part > NEGLIGIBLE * max(float(masses.sum()), NEGLIGIBLE)):
            held = part[run % count]
            places.append(float(held @ run) / float(held.sum()) * program.period / count)
            signs.append(sign)
            weights.append(float(held.sum()))
    return _Atoms(np.array(places), np.array(signs), np.array(weights))


def _runs(held: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The numbers of nodes that hold something, neighbours on the circle together; they run on past the cut."""
    count = len(held)
    empty = np.flatnonzero(~held)
    if not empty.size:
        return [np.arange(count)]
    turned = np.roll(held, -int(empty[0]))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], turned.astype(int), [0]])))
    return [np.arange(start, stop) + int(empty[0]) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _settled(program: _Program, law: _Atoms) -> _Atoms:
    """Where damped Newton steps end; atoms that lose their weight are given up, and those that meet are one."""
    value = program.value(law)
    for _ in range(STEPS * (1 + len(law.weights))):
        if not len(law.weights):
            return law
        gradient, hessian, scale = program.model(law)
        residual = float(np.abs(gradient).max())
        if residual <= ROUNDING * scale:
            break
        trial = _descended(program, law, value, gradient, hessian)
        if trial is None:
            break
        law = _joined(program, trial.kept(trial.weights > NEGLIGIBLE * trial.weights.sum()))
        value = program.value(law)
    return law


def _descended(program: _Program, law: _Atoms, value: float, gradient: Array, hessian: Array) -> _Atoms | None:
    """The law after a step that lowers J, or the slopes where J is nothing but rounding; None where there is none."""
    count = len(law.weights)
    sizes, vectors = np.linalg.eigh(hessian)
    floor = 1e-14 * max(float(np.abs(sizes).max()), 1e-300)
    step = -vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(sizes), floor))
    loss, here = -step[:count], law.weights
    # an atom may lose all of its weight, not more
    reach = float(np.min(np.where(loss > 0.0, here / np.where(loss > 0.0, loss, 1.0), np.inf), initial=np.inf))
    length = min(1.0, reach, 0.1 * program.period / max(float(np.abs(step[count:]).max()), 1e-300))
    residual = float(np.abs(gradient).max())
    for _ in range(HALVINGS):
        trial = law.moved(length * step)
        trial = replace(trial, weights=np.maximum(trial.weights, 0.0))
        after = program.value(trial)
        if after < value + 1e-4 * length * float(gradient @ step):
            return trial
        if after <= value + 1e-14 * (1.0 + abs(value)) and np.abs(program.model(trial)[0]).max() <= 0.5 * residual:
            return trial
        length *= 0.5
    return None


def _joined(program: _Program, law: _Atoms) -> _Atoms:
    """Neighbours of one sign that have met as one atom."""
    order = np.argsort(np.mod(law.places, program.period), kind="stable")
    law = law.kept(order)
    for i in range(len(order)):
        j = (i + 1) % len(order)
        apart = np.mod(law.places[j] - law.places[i], program.period)
        if i != j and law.signs[i] == law.signs[j] and apart < MERGED * program.period:
            weight = law.weights[i] + law.weights[j]
            place = law.places[i] + apart * law.weights[j] / weight
            rest = law.kept(np.delete(np.arange(len(order)), [i, j]))
            more = np.append(rest.places, place), np.append(rest.signs, law.signs[i]), np.append(rest.weights, weight)
            return _joined(program, _Atoms(*more))
    return law


def _near(program: _Program, law: _Atoms, place: float, sign: float) -> bool:
    """Whether an atom of this sign is where another one would be put: the supremum is its own, but for rounding."""
    half = 0.5 * program.period
    apart = np.abs(np.mod(law.places - place + half, program.period) - half)
    return bool(np.any((apart < MERGED * program.period) & (law.signs == sign)))


@dataclass(frozen=True)
class _Bent:
    """One bound of the second derivative everywhere, and none of the first."""

    bend: float

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        return np.full(lower.shape, self.bend)

    def slopes(self, lower: Array, upper: Array) -> Array:
        return np.full(lower.shape, np.inf)


def _supremum(program: _Program, g: Array) -> tuple[float, float, float]:
    """An upper bound of sup |eta|, and the place and sign at which the largest value was met."""
    features, penalty = program.objective.features, program.penalty
    bent, found = _Bent(program.bend(g) / penalty), []
    ends = np.zeros(1), np.array([program.period])
    for sign in (1.0, -1.0):

        def eta(points: Array, sign: float = sign) -> Array:
            return sign * (features.values(program.turned(points[:, 0])) @ g) / penalty

        known = float(eta(np.zeros((1, 1)))[0])
        bound = global_lower_bound(eta, bent, *ends, known, ACCURACY * max(1.0, bent.bend * 1e-3))
        found.append((-bound.lower, float(bound.point[0]), sign))
    return max(found)


def _answer(program: _Program, law: _Atoms) -> SignedMeasure:
    """The law in order, with its dual."""
    loss, outputs = program.objective.loss, program.outputs(law)
    g = loss.gradient(outputs)
    top, _, _ = _supremum(program, g)
    places = program.turned(law.places)[:, 0]
    law = replace(law, places=places).kept(np.argsort(places))
    mass, share = float(law.weights.sum()), 1.0 / max(1.0, top)
    # L(q) + L*(grad L(q)) = q . grad L(q); scaling g costs a square of what it is scaled by
    scaled = share * g
    rest = loss.conjugate(scaled) - loss.conjugate(g) if share < 1.0 else 0.0
    gap = program.penalty * mass + float(outputs @ g) + rest
    residual = float(np.abs(program.model(law)[0]).max(initial=0.0)) if len(law.weights) else 0.0
    value = loss.value(outputs) + program.penalty * mass
    return SignedMeasure(
        law.places, law.signs, law.weights, outputs, value, value - max(gap, 0.0), gap, top, residual, g
    )
