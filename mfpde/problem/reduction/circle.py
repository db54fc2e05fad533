"""A unit averaged over inputs on the unit circle of the plane.

*Units of slopes alpha and -beta on either side of 0*, sigma(u) = alpha (u)_+ + beta (-u)_+, are |w| times a function of
the angle of w, whose Fourier coefficients are known:

    sigma(cos t) = sum_k s_k cos(k t),   s_0 = (alpha + beta)/pi,   s_1 = (alpha - beta)/2,
    s_k = 2 (-1)^(k/2 + 1) (alpha + beta) / (pi (k^2 - 1))  for even k > 0,  0 for odd k > 1.

So U = |w| |w'| k(delta) with k = s_0^2 + sum s_k^2 cos(k delta) / 2: what the orders beyond K leave of U is at most
|w| |w'| sum_{k > K} s_k^2 / 2, summed in closed form. k has two derivatives only: order K leaves K^-3 of it and K^-2 of
its slope, so that whoever moves atoms takes the arccosine kernel itself, which is that of Gaussian inputs over
E |x|^2 = 2.

*Other units* are taken at equidistant angles, by the trapezoidal rule: its error is seen by doubling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numba
import numpy as np
from scipy import special

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.population import Measured
from mfpde.solvers.objective.kernel import Kernel, KernelFeatures, KernelLoss
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, FeatureMap, Objective
from mfpde.solvers.objective.representation import Expansion
from mfpde.solvers.optimum.circle import CircleLaw
from mfpde.solvers.space.box import Box

MOST_ORDERS = 4000
"""Largest order of a Fourier expansion."""
FEWEST_ANGLES, MOST_ANGLES = 32, 4096
"""Angles of the trapezoidal rule."""
SAMPLES = 256
FEW = 512
"""Features that no table is worth while for."""


@dataclass(frozen=True)
class Teachers:
    """y = sum_k c_k sigma(<v_k, x>), |v_k| = 1.

    Attributes:
        angles: of v_k, shape (K,).
        weights: c_k, shape (K,).
    """

    angles: Array
    weights: Array

    @property
    def directions(self) -> Array:
        """v_k, shape (K, 2)."""
        return on_circle(self.angles)


def on_circle(angles: Array) -> Array:
    """Unit vectors with these angles, shape (n, 2)."""
    return np.column_stack([np.cos(angles), np.sin(angles)])


@dataclass(frozen=True)
class TwoSlopes:
    """sigma(u) = alpha (u)_+ + beta (-u)_+.

    Attributes:
        right, left: alpha and beta.
    """

    right: float
    left: float

    @classmethod
    def of(cls, unit: Activation) -> TwoSlopes | None:
        """The slopes of a unit that is linear on either side of 0; None for any other."""
        if unit.linear is None or unit.homogeneity != 1.0:
            return None
        right, left = unit.value(np.array([1.0, -1.0]))
        return cls(float(right), float(left))

    def multiple(self, other: TwoSlopes) -> float | None:
        """The factor that makes the other one of this one; None where there is none."""
        size = math.hypot(self.right, self.left)
        factor = (self.right * other.right + self.left * other.left) / size**2
        apart = math.hypot(factor * self.right - other.right, factor * self.left - other.left)
        return factor if apart <= 1e-15 * math.hypot(other.right, other.left) else None

    def coefficients(self, orders: Array) -> Array:
        """sqrt(E cos^2) s_k, the features' sizes."""
        k = orders.astype(float)
        even, total = orders % 2 == 0, self.right + self.left
        found = np.where(orders % 4 == 0, -2.0, 2.0) * total / math.pi * even / np.where(even, k**2 - 1.0, 1.0)
        found[orders == 0] = total / math.pi
        found[orders == 1] = 0.5 * (self.right - self.left)
        return np.asarray(np.where(orders == 0, found, found / math.sqrt(2.0)))

    def orders(self, accuracy: float) -> tuple[Array, float]:
        """0, 1 and the even orders up to one that leaves `accuracy` of k, and what it leaves."""
        high = 2
        while high < MOST_ORDERS and self._left_beyond(high) > accuracy:
            high = min(2 * high, MOST_ORDERS)
        low = high // 2
        while high - low > 2:
            middle = 2 * ((low + high) // 4)
            low, high = (low, middle) if self._left_beyond(middle) <= accuracy else (middle, high)
        return np.concatenate([[0, 1], np.arange(2, high + 1, 2)]), self._left_beyond(high)

    def _left_beyond(self, order: int) -> float:
        """sum of s_k^2 / 2 over even k > order, for an even order.

        4/(k^2 - 1)^2 = 1/(k - 1)^2 + 1/(k + 1)^2 - 1/(k - 1) + 1/(k + 1): trigamma functions and a telescoping sum.
        """
        first = 0.5 * order + 1.0
        squares = 0.25 * (special.polygamma(1, first - 0.5) + special.polygamma(1, first + 0.5))
        differences = 0.5 / (first - 0.5)
        total = self.right + self.left
        return float(max(0.5 * (total / math.pi) ** 2 * (squares - differences), 0.0))


@dataclass(frozen=True)
class FourierFeatures(DenseFeatures):
    """|w| s_k (cos k phi, sin k phi) of w = |w| (cos phi, sin phi), as many of either as there are orders.

    Attributes:
        orders, sizes: k and s_k, shape (K,), k = 0 first.
    """

    orders: Array
    sizes: Array

    @property
    def dimension(self) -> int:
        return 2

    @property
    def rank(self) -> int:
        return 2 * len(self.orders) - 1

    def values(self, points: Array) -> Array:
        waves = self._waves(np.arctan2(points[:, 1], points[:, 0]))
        return np.asarray(np.hypot(points[:, 0], points[:, 1])[:, None] * waves)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        radius, angle = np.hypot(points[:, 0], points[:, 1]), np.arctan2(points[:, 1], points[:, 0])
        waves, turned = self._waves(angle), self._turned(angle)
        along = on_circle(angle)
        across = np.column_stack([-along[:, 1], along[:, 0]])
        slopes = waves[:, :, None] * along[:, None, :] + turned[:, :, None] * across[:, None, :]
        return radius[:, None] * waves, slopes * (radius > 0.0)[:, None, None]

    def _waves(self, angle: Array) -> Array:
        phases = np.multiply.outer(angle, self.orders)
        return np.hstack([self.sizes * np.cos(phases), (self.sizes * np.sin(phases))[:, 1:]])

    def _turned(self, angle: Array) -> Array:
        """The derivative of the waves in the angle."""
        phases, scaled = np.multiply.outer(angle, self.orders), self.sizes * self.orders
        return np.hstack([-scaled * np.sin(phases), (scaled * np.cos(phases))[:, 1:]])


@dataclass(frozen=True)
class ArcKernel:
    """U(w, w') = E sigma(<w, x>) sigma(<w', x>) on the circle of a unit of two slopes."""

    slopes: TwoSlopes

    @property
    def dimension(self) -> int:
        return 2

    def potential(self, points: Array, others: Array, masses: Array) -> tuple[Array, Array]:
        values, gradient = np.empty(len(points)), np.empty((len(points), 2))
        both = (self.slopes.right + self.slopes.left) ** 2, self.slopes.right * self.slopes.left
        rows = [np.ascontiguousarray(part, dtype=float) for part in (points, others, masses)]
        _arc_potential(*rows, *both, values, gradient)
        return values, gradient


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _arc_potential(
    points: Array, others: Array, masses: Array, curved: float, product: float, values: Array, slopes: Array
) -> None:
    """sum_j masses_j ((alpha + beta)^2 A - alpha beta <w, w'> / 2), A = E (u)_+ (u')_+, and its gradient in w.

    For E (u)_+ u' = <w, w'> / 4 by the symmetry of x, so that E (u)_+ (-u')_+ = A - <w, w'> / 4.
    """
    for i in range(points.shape[0]):
        x, y = points[i, 0], points[i, 1]
        own = math.sqrt(x * x + y * y)
        value, first, second = 0.0, 0.0, 0.0
        for j in range(others.shape[0]):
            u, v, mass = others[j, 0], others[j, 1], masses[j]
            inner, cross = x * u + y * v, x * v - y * u
            sine = abs(cross)
            turned = math.pi - math.atan2(sine, inner)
            value += mass * (curved * (sine + turned * inner) / (4.0 * math.pi) - 0.5 * product * inner)
            straight = mass * (curved * turned / (4.0 * math.pi) - 0.5 * product)
            radial = mass * curved * sine / (4.0 * math.pi * own * own) if own > 0.0 else 0.0
            first += straight * u + radial * x
            second += straight * v + radial * y
        values[i] = value
        slopes[i, 0] = first
        slopes[i, 1] = second


@dataclass(frozen=True)
class CirclePopulation:
    """Exact risk and gradient of finite networks of two slopes.

    Attributes:
        kernel: that of the units.
        rows: (c_k, v_k) of the teachers as such units.
    """

    kernel: ArcKernel
    rows: Array

    @classmethod
    def of(cls, unit: Activation, teacher: Activation, teachers: Teachers) -> CirclePopulation | None:
        """None where the units are others."""
        slopes, theirs = TwoSlopes.of(unit), TwoSlopes.of(teacher)
        factor = None if slopes is None or theirs is None else slopes.multiple(theirs)
        if slopes is None or factor is None:
            return None
        return cls(ArcKernel(slopes), np.column_stack([factor * teachers.weights, teachers.directions]))

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return Measured(self.risk(w, a, b), 0.0)

    def risk(self, w: Array, a: Array, b: Array) -> float:
        _without_offsets(b)
        return KernelLoss(self.kernel, self.rows).risk(np.column_stack([a / len(a), w]))

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        _without_offsets(b)
        rows = KernelLoss(self.kernel, self.rows).gradient(np.column_stack([a / len(a), w]))
        value, slope = self.kernel.potential(w, rows[:, 1:], rows[:, 0])
        return a[:, None] * slope, value * trained_coefficients, np.zeros_like(b)

    def unit_squares(self, points: Array, b: Array) -> Array:
        slopes = self.kernel.slopes
        share = 0.25 * (slopes.right + slopes.left) ** 2 - 0.5 * slopes.right * slopes.left
        return np.asarray(share * (points**2).sum(axis=1))


def _without_offsets(b: Array) -> None:
    if np.any(b):
        raise ValueError("kernels of the circle are those without offsets")


@dataclass(frozen=True)
class OfAngle(DenseFeatures):
    """Features of w at unit vectors, by their angle."""

    inner: FeatureMap

    @property
    def dimension(self) -> int:
        return 1

    @property
    def rank(self) -> int:
        return self.inner.rank

    def values(self, points: Array) -> Array:
        return self.inner.values(on_circle(points[:, 0]))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        w = on_circle(points[:, 0])
        values, slopes = self.inner.values_and_gradients(w)
        return values, np.einsum("nmd,nd->nm", slopes, _turned(w))[:, :, None]


@dataclass(frozen=True)
class KernelOfAngle:
    """U of w at unit vectors, by their angles."""

    inner: Kernel

    @property
    def dimension(self) -> int:
        return 1

    def potential(self, points: Array, others: Array, masses: Array) -> tuple[Array, Array]:
        w = on_circle(points[:, 0])
        values, slopes = self.inner.potential(w, on_circle(others[:, 0]), masses)
        return values, np.sum(slopes * _turned(w), axis=1)[:, None]


def _turned(w: Array) -> Array:
    """A quarter of a turn on."""
    return np.column_stack([-w[:, 1], w[:, 0]])


def by_angle(expansion: Expansion) -> Expansion:
    """Features of w on the unit circle, by its angle."""
    gap, atoms = expansion.gap, expansion.atoms
    exact = None
    if atoms is not None and isinstance(atoms.loss, KernelLoss):
        kernel, rows = KernelOfAngle(atoms.loss.kernel), atoms.loss.target
        lengths, angles = np.hypot(rows[:, 1], rows[:, 2]), np.arctan2(rows[:, 2], rows[:, 1])
        target = np.column_stack([rows[:, 0] * lengths, angles])
        exact = Objective(KernelFeatures(kernel), KernelLoss(kernel, target, atoms.loss.constant))
    return replace(
        expansion,
        objective=replace(expansion.objective, features=OfAngle(expansion.objective.features)),
        explicit=expansion.objective.features.rank <= FEW,
        gap=None if gap is None else lambda points, masses: gap(on_circle(points[:, 0]), masses),
        atoms=exact,
    )


@dataclass(frozen=True)
class AngleFeatures(DenseFeatures):
    """sigma(<w, x_m> + b) at equidistant x_m.

    Attributes:
        unit: sigma.
        inputs: x_m, shape (M, 2).
        has_offset: whether b is a coordinate.
    """

    unit: Activation
    inputs: Array
    has_offset: bool

    @property
    def dimension(self) -> int:
        return 2 + self.has_offset

    @property
    def rank(self) -> int:
        return len(self.inputs)

    def _inner(self, points: Array) -> Array:
        inner = points[:, :2] @ self.inputs.T
        return inner + points[:, 2:] if self.has_offset else inner

    def values(self, points: Array) -> Array:
        return self.unit.value(self._inner(points))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        inner = self._inner(points)
        slopes = self.unit.slope(inner)[:, :, None]
        whole = np.hstack([self.inputs, np.ones((len(self.inputs), int(self.has_offset)))])
        return self.unit.value(inner), slopes * whole


def expand(
    unit: Activation, has_offset: bool, teacher: Activation, teachers: Teachers, box: Box, accuracy: float
) -> Expansion:
    """Features on a box of (w1, w2) and, where there are offsets, b; `teacher` is the unit of the teachers."""
    slopes, theirs = TwoSlopes.of(unit), TwoSlopes.of(teacher)
    if slopes is None or theirs is None or has_offset:
        return _by_angles(unit, has_offset, teacher, teachers, box, accuracy)
    square = float(np.maximum(np.abs(box.lower), np.abs(box.upper)) @ np.maximum(np.abs(box.lower), np.abs(box.upper)))
    share = accuracy / max(square, 1.0)
    orders, left = slopes.orders(share)
    sizes = slopes.coefficients(orders)
    features = FourierFeatures(orders, sizes)
    targets = teachers.weights @ FourierFeatures(orders, theirs.coefficients(orders)).values(teachers.directions)
    second = _second_moment(theirs, teachers)
    constant = max(second - float(targets @ targets), 0.0)
    objective = Objective(features, SquareLoss(np.ones(len(targets)), targets, constant))
    kernel, factor = ArcKernel(slopes), slopes.multiple(theirs)
    exact = None
    if factor is not None:
        rows = np.column_stack([factor * teachers.weights, teachers.directions])
        exact = Objective(KernelFeatures(kernel), KernelLoss(kernel, rows))
    bound = max(left, 1e-16)
    words = f"Fourier features of the angle to order {orders[-1]}"
    scale = math.sqrt(square) * float(np.linalg.norm(sizes))
    return Expansion(
        objective,
        max(left, 1e-16) * max(square, 1.0),
        words,
        scale=scale,
        gap=lambda points, masses: bound * float(np.abs(masses) @ np.hypot(*points[:, :2].T)) ** 2,
        atoms=exact,
    )


def _second_moment(slopes: TwoSlopes, teachers: Teachers) -> float:
    """E y^2."""
    values = ArcKernel(slopes).potential(teachers.directions, teachers.directions, teachers.weights)[0]
    return float(teachers.weights @ values)


def _by_angles(
    unit: Activation, has_offset: bool, teacher: Activation, teachers: Teachers, box: Box, accuracy: float
) -> Expansion:
    """Features at equidistant angles, doubled until U changes by less than the accuracy on random pairs."""
    generator = np.random.default_rng(0)
    points = box.lower + (box.upper - box.lower) * generator.random((SAMPLES, len(box.lower)))
    corners = np.stack([box.lower, box.upper])
    points = np.vstack([points, corners, np.where(generator.random((16, len(box.lower))) < 0.5, *corners)])
    whole = np.vstack([points, np.hstack([teachers.directions, np.zeros((len(teachers.angles), int(has_offset)))])])
    count, before = FEWEST_ANGLES, _gram(unit, has_offset, whole, FEWEST_ANGLES)
    while True:
        after = _gram(unit, has_offset, whole, 2 * count)
        error = float(np.abs(after - before).max())
        count, before = 2 * count, after
        if error <= accuracy or count >= MOST_ANGLES:
            break
    inputs = _inputs(count)
    targets = teacher.value(inputs @ teachers.directions.T) @ teachers.weights
    objective = Objective(AngleFeatures(unit, inputs, has_offset), SquareLoss(np.full(count, 1.0 / count), targets))
    return Expansion(objective, max(2.0 * error, 1e-15 * float(np.abs(after).max())), f"{count} equidistant inputs")


def _inputs(count: int) -> Array:
    return on_circle(2.0 * np.pi * (np.arange(count) + 0.5) / count)


def _gram(unit: Activation, has_offset: bool, points: Array, count: int) -> Array:
    values = AngleFeatures(unit, _inputs(count), has_offset).values(points)
    return np.asarray(values @ values.T / count)


@dataclass(frozen=True)
class ArcProfile:
    """k(delta) = U of two unit vectors at this angle, with its derivatives.

    Attributes:
        slopes: of the unit.
    """

    slopes: TwoSlopes

    @property
    def bend(self) -> float:
        """max |k''|: (pi - delta) cos delta and sin delta are at most pi together."""
        total, product = self.slopes.right + self.slopes.left, self.slopes.right * self.slopes.left
        return 0.25 * total**2 + 0.5 * abs(product)

    def jets(self, apart: Array) -> tuple[Array, Array, Array]:
        delta = np.mod(apart + np.pi, 2.0 * np.pi) - np.pi
        size, cosine, sine = np.abs(delta), np.cos(delta), np.sin(delta)
        both, product = (
            (self.slopes.right + self.slopes.left) ** 2 / (4.0 * np.pi),
            self.slopes.right * self.slopes.left,
        )
        turned = np.pi - size
        value = both * (np.sin(size) + turned * cosine) - 0.5 * product * cosine
        slope = -both * turned * sine + 0.5 * product * sine
        return value, slope, both * (np.sin(size) - turned * cosine) + 0.5 * product * cosine


def circle_law(unit: Activation, teacher: Activation, teachers: Teachers) -> CircleLaw | None:
    """The kernel of two angles and the teachers as such units; None where they are others."""
    slopes, theirs = TwoSlopes.of(unit), TwoSlopes.of(teacher)
    factor = None if slopes is None or theirs is None else slopes.multiple(theirs)
    if slopes is None or factor is None:
        return None
    return CircleLaw(ArcProfile(slopes), teachers.angles, factor * teachers.weights)
