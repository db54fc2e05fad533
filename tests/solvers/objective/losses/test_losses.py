"""Losses: conjugacy, derivatives, chords, and what a basis does to them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.interface import LOSSES, Loss, Pointwise, least
from mfpde.solvers.objective.losses.pointwise import PointwiseLoss, nodal_loss
from mfpde.solvers.objective.losses.square import Square, SquareLoss

NODES = 9
GENERATOR = np.random.default_rng(5)
WEIGHTS = GENERATOR.dirichlet(np.ones(NODES))
CLASSES = np.where(GENERATOR.random(NODES) < 0.5, -1.0, 1.0)
BASIS = GENERATOR.normal(size=(NODES, 4))
START = GENERATOR.normal(size=NODES)


class Bare:
    """sqrt(1 + (f - y)^2) - 1, by value and slope alone."""

    def value(self, f: Array, y: Array) -> Array:
        return np.hypot(1.0, f - y) - 1.0

    def slope(self, f: Array, y: Array) -> Array:
        return np.asarray((f - y) / np.hypot(1.0, f - y))


class WithoutExtras:
    """A registered loss stripped to its value and slope."""

    def __init__(self, inner: Pointwise) -> None:
        self.value, self.slope = inner.value, inner.slope


def losses() -> list[tuple[str, Loss, float]]:
    """Every kind of loss, and the accuracy of its Hessian."""
    square = SquareLoss(2.0 * WEIGHTS, CLASSES, 0.3)
    found: list[tuple[str, Loss, float]] = [("square of weights", square, 1e-12)]
    for name in LOSSES.names():
        found.append((name, PointwiseLoss(WEIGHTS, CLASSES, LOSSES[name]()), 1e-12))
        found.append((f"{name} by slopes", PointwiseLoss(WEIGHTS, CLASSES, WithoutExtras(LOSSES[name]())), 1e-9))
    found.append(("bare", PointwiseLoss(WEIGHTS, CLASSES, Bare()), 1e-9))
    found += [(f"{name} through", loss.through(BASIS), accuracy) for name, loss, accuracy in found]
    found += [(f"{name}, chord", loss.chord(START[: loss.metric.size]), accuracy) for name, loss, accuracy in found]
    return found


CASES = pytest.mark.parametrize(
    ("name", "loss", "accuracy"), losses(), ids=lambda case: case if isinstance(case, str) else ""
)


def outputs_of(loss: Loss) -> Array:
    return np.random.default_rng(1).normal(size=loss.metric.size)


def test_the_divergence_of_a_quadratic_loss_is_attained() -> None:
    loss, move = SquareLoss(2.0 * WEIGHTS, CLASSES, 0.3), START + 0.5
    gap = loss.value(START + move) - loss.value(START) - float(loss.gradient(START) @ move)
    assert loss.divergence(START, move) == pytest.approx(gap, rel=1e-12)


@CASES
def test_the_gradient_of_the_conjugate_inverts_the_gradient(name: str, loss: Loss, accuracy: float) -> None:
    """And Fenchel's inequality is an equality there, and one elsewhere."""
    q = outputs_of(loss)
    g = loss.gradient(q)
    np.testing.assert_allclose(loss.conjugate_gradient(g), q, rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(loss.mismatch(q + 0.5, g), 0.5, rtol=0.0, atol=1e-12)
    assert loss.conjugate(g) + loss.value(q) - float(g @ q) == pytest.approx(0.0, abs=2e-14)
    gap = loss.conjugate(g) + loss.value(q + 0.1) - float(g @ (q + 0.1))
    assert 1e-6 < gap <= loss.divergence(q, np.full(q.size, 0.1)) * (1.0 + 1e-9)


@CASES
def test_derivatives_are_those_of_the_value(name: str, loss: Loss, accuracy: float) -> None:
    """Central differences with h = 1e-4 leave h^2 times a third derivative; the Hessian, h^2 and its own error."""
    q, step = outputs_of(loss), 1e-4
    shifts = step * np.eye(q.size)
    slopes = [(loss.value(q + shift) - loss.value(q - shift)) / (2.0 * step) for shift in shifts]
    np.testing.assert_allclose(loss.gradient(q), slopes, rtol=0.0, atol=3e-7)
    bends = [(loss.gradient(q + shift) - loss.gradient(q - shift)) / (2.0 * step) for shift in shifts]
    hessian = loss.hessian(q)
    np.testing.assert_allclose(hessian.dense(), bends, rtol=0.0, atol=3e-7)
    dense, rows = hessian.dense(), np.random.default_rng(2).normal(size=(3, q.size))
    for found, expected in (
        (rows @ hessian, rows @ dense),
        (hessian @ rows.T, dense @ rows.T),
        (hessian @ rows[0], dense @ rows[0]),
        (hessian.squares(rows), np.einsum("ni,ij,nj->n", rows, dense, rows)),
        ((hessian.root() @ (hessian.root().T @ rows[0])), dense @ rows[0]),
        (loss.conjugate_hessian(loss.gradient(q)).dense() @ dense, np.eye(q.size)),
    ):
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-10 + 1e3 * accuracy * (accuracy > 1e-12))
    model, pull = loss.model(q)
    np.testing.assert_allclose(model @ q - pull, loss.gradient(q), rtol=0.0, atol=1e-12)


@CASES
def test_gradients_of_many_outputs_are_those_of_each(name: str, loss: Loss, accuracy: float) -> None:
    rows = np.stack([outputs_of(loss), -outputs_of(loss)])
    np.testing.assert_allclose(loss.gradient(rows), [loss.gradient(row) for row in rows], rtol=0.0, atol=1e-15)


@CASES
def test_the_mean_gradient_tells_how_the_loss_changes(name: str, loss: Loss, accuracy: float) -> None:
    """L(b) - L(a) = g . (b - a), by Gauss' rule on the way, for moves of 2 or so at a node."""
    start = outputs_of(loss)
    end = start + 0.3 * (START[: loss.metric.size] - start)
    mean = loss.mean_gradient(start, end)
    assert loss.value(end) - loss.value(start) == pytest.approx(float(mean @ (end - start)), abs=1e-9)
    np.testing.assert_allclose(mean, loss.chord(start).gradient(end), rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES.names())
def test_a_basis_commutes_with_the_loss(name: str) -> None:
    loss = PointwiseLoss(WEIGHTS, CLASSES, LOSSES[name]())
    through, q = loss.through(BASIS), outputs_of(loss)[:4]
    assert through.value(q) == loss.value(BASIS @ q)
    assert (through.risk(q), through.scale, through.quadratic) == (loss.risk(BASIS @ q), loss.scale, loss.quadratic)
    np.testing.assert_allclose(through.metric, WEIGHTS @ BASIS**2)
    twice = through.through(np.eye(4)[:, :2])
    assert twice.value(q[:2]) == pytest.approx(loss.value(BASIS[:, :2] @ q[:2]), abs=1e-15)


@pytest.mark.parametrize("through", [False, True])
def test_the_conjugate_is_infinite_where_no_output_has_that_slope(through: bool) -> None:
    """Slopes of the logistic and the log-cosh loss lie in an open interval; that of `Bare` in (-1, 1)."""
    for pointwise in (LOSSES["logistic"](), LOSSES["log-cosh"](), Bare(), WithoutExtras(LOSSES["logistic"]())):
        loss = PointwiseLoss(WEIGHTS, CLASSES, pointwise)
        loss = loss.through(BASIS) if through else loss  # type: ignore[assignment]
        beyond = 3.0 * np.abs(BASIS).T @ WEIGHTS if through else 3.0 * WEIGHTS
        assert loss.conjugate(beyond) == np.inf
        assert np.isnan(loss.conjugate_gradient(beyond)).any()


def test_the_least_value_bounds_the_energy() -> None:
    assert least(SquareLoss(WEIGHTS, CLASSES, 0.3)) == 0.3
    assert str(least(SquareLoss(WEIGHTS, CLASSES))) == "0.0"
    for pointwise in (LOSSES["logistic"](), LOSSES["log-cosh"](), Bare()):
        assert least(PointwiseLoss(WEIGHTS, CLASSES, pointwise)) == pytest.approx(0.0, abs=1e-15)


def test_the_square_loss_by_name_is_the_quadratic_one() -> None:
    assert set(LOSSES.names()) >= {"square", "logistic", "log-cosh"}
    loss = nodal_loss("square", WEIGHTS, CLASSES)
    assert isinstance(loss, SquareLoss)
    mean = PointwiseLoss(WEIGHTS, CLASSES, Square())
    q = outputs_of(loss)
    assert loss.risk(q) == pytest.approx(2.0 * mean.risk(q), rel=1e-15)
    np.testing.assert_allclose(loss.gradient(q), mean.gradient(q), rtol=1e-15)
    assert nodal_loss("logistic", WEIGHTS, CLASSES).risk(q) == pytest.approx(
        float(WEIGHTS @ np.log(1.0 + np.exp(-CLASSES * q))), rel=1e-14
    )


def test_the_logistic_loss_does_not_overflow() -> None:
    loss = nodal_loss("logistic", WEIGHTS, CLASSES)
    assert loss.value(1e4 * CLASSES) == 0.0
    assert loss.value(-1e4 * CLASSES) == pytest.approx(1e4)
    assert np.isfinite(loss.gradient(-1e4 * CLASSES)).all()


def test_what_a_loss_cannot_be_made_of_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=re.escape("logistic loss needs targets +1 or -1, got 0.3")):
        nodal_loss("logistic", WEIGHTS, np.full(NODES, 0.3))
    with pytest.raises(ValueError, match=re.escape("the loss object needs a method value and a method slope(f, y)")):
        PointwiseLoss(WEIGHTS, CLASSES, object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="PointwiseLoss has no outputs that may be rotated freely"):
        nodal_loss("logistic", WEIGHTS, CLASSES).rotated(0, 2)
    with pytest.raises(ValueError, match="may not be rotated freely"):
        SquareLoss(np.ones(2), np.array([0.0, 1.0])).rotated(0, 1)


def test_outputs_without_target_may_be_rotated_freely() -> None:
    loss = SquareLoss(np.array([0.5, 1.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0]), 0.2)
    assert loss.free.tolist() == [False, True, True, True]
    basis = np.linalg.qr(GENERATOR.normal(size=(3, 3)))[0]
    rotated, q = loss.rotated(1, 3), outputs_of(loss)
    turned = np.append(q[:1], basis @ q[1:])
    assert rotated.value(q) == pytest.approx(loss.value(turned), rel=1e-15)


def test_a_replaced_loss_forgets_the_answers_of_the_old_one() -> None:
    """The outputs of the last gradient are remembered; other targets ask anew."""
    loss = PointwiseLoss(WEIGHTS, CLASSES, Bare())
    q = outputs_of(loss)
    g = loss.gradient(q)
    np.testing.assert_allclose(loss.conjugate_gradient(g), q, rtol=0.0, atol=1e-12)
    assert loss.conjugate_gradient(g) is loss.conjugate_gradient(g.copy())
    moved = replace(loss, targets=CLASSES + 1.0)
    np.testing.assert_allclose(moved.conjugate_gradient(g), q + 1.0, rtol=0.0, atol=1e-12)
