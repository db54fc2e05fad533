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

import numpy as np

from mfpde.problem.reduction.circle.arcs import Teachers, TwoSlopes, on_circle
from mfpde.problem.reduction.circle.features import AngleFeatures, ArcKernel, FourierFeatures
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.kernel import KernelFeatures, KernelLoss
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import Expansion
from mfpde.solvers.space.box import Box

FEWEST_ANGLES, MOST_ANGLES = 32, 4096
"""Angles of the trapezoidal rule."""
SAMPLES = 256


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
