"""Samples of which the target sees one or a few coordinates: their law, their streams, and the steps made on them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd.engine import Sgd
from mfpde.solvers.sgd.samplers import Projections


def committee(x: Array) -> Array:
    return np.asarray(np.tanh(x).mean(axis=1))


LAW = Projections.of(9, 2, committee, 0.3)
SGD = Sgd(LAW, Tanh(), 2e-2, seed=3, replica=1, trained_coefficients=True)


def test_inputs_are_normal_and_values_those_of_the_target_with_noise() -> None:
    x, y = LAW.samples(0, 20_000, 5, 2)
    assert stats.kstest(x.ravel(), stats.norm.cdf).pvalue > 1e-6
    noise = (y - committee(x[:, :2])) / 0.3
    assert stats.kstest(noise, stats.norm.cdf).pvalue > 1e-6
    # the largest of 9 correlations: 6 standard errors
    assert max(abs(np.corrcoef(column, noise)[0, 1]) for column in x.T) < 6.0 / math.sqrt(20_000)
    assert np.array_equal(replace(LAW, noise=0.0).samples(0, 100, 5, 2)[1], committee(x[:100, :2]))
    assert not np.array_equal(LAW.samples(0, 100, 5, 3)[1], y[:100])


def test_any_stretch_of_the_stream_has_the_bits_of_the_whole() -> None:
    for law in (LAW, Projections.of(1, 1, committee, 0.3)):
        whole, part = law.samples(0, 700, 1, 2), law.samples(250, 300, 1, 2)
        for side in (0, 1):
            assert np.array_equal(whole[side][250:550], part[side])


@pytest.mark.parametrize("dimension", [2, 3, 9])
def test_embedded_points_have_their_reduced_coordinates(dimension: int) -> None:
    law = Projections.of(dimension, 2, committee)
    points = np.random.default_rng(0).normal(size=(4000, 3))[:, : 2 + (dimension > 2)]
    points[:, 2:] = np.abs(points[:, 2:])
    w = law.embed(points, 1, 0)
    np.testing.assert_allclose(law.reduce(w), points, rtol=1e-14)
    np.testing.assert_array_equal(w[:, :2], points[:, :2])
    if dimension == 9:
        # each coordinate of a uniform direction in R^7 has the density (1 - n^2)^2
        for j in range(2, 9):
            assert stats.kstest(w[:, j] / points[:, 2], stats.beta(3.0, 3.0, -1.0, 2.0).cdf).pvalue > 1e-6
    moved = law.moved(w, 2.0 * points - 0.3)
    np.testing.assert_allclose(law.reduce(moved)[:, :2], 2.0 * points[:, :2] - 0.3)


def test_steps_on_projections_are_the_textbook_steps_in_any_blocks() -> None:
    start = SGD.start(SGD.embed(np.abs(np.random.default_rng(1).normal(size=(20, 3)))))
    x, y = LAW.samples(0, 400, 3, 1)
    w, a = start.w.copy(), start.a.copy()
    for sample, value in zip(x, y, strict=True):
        u = np.tanh(w @ sample)
        error = 2e-2 * (value - np.mean(a * u))
        w, a = w + error * np.outer(a * (1.0 - u * u), sample), a + error * u
    for other in (SGD, replace(SGD, block=1), replace(SGD, overlap=True), replace(SGD, block=7)):
        found = other.advance(start, 400)
        np.testing.assert_allclose(found.w, w, atol=1e-12)
        np.testing.assert_allclose(found.a, a, atol=1e-12)
    middle, once = SGD.run(start, [SGD.next_boundary(start, 100), 400])
    assert np.array_equal(SGD.advance(middle, 400).w, once.w)


def test_inner_products_walk_in_the_law_of_the_weights() -> None:
    """The mean of w_1 over replicas, of d = 60 coordinates and of those that 3 neurons span, within 6 errors."""
    law, ends = Projections.of(60, 1, lambda x: np.tanh(x[:, 0])), []
    for gram in (False, True):
        sgd = Sgd(law, Tanh(), 1e-2, gram=gram)
        walks = []
        for replica in range(60):
            walk = replace(sgd, replica=replica)
            state = walk.advance(walk.start(walk.embed(np.array([[0.1, 0.8]] * 3))), 100)
            walks.append(walk.coordinates(3).reduce(state.w).mean(axis=0))
        assert state.w.shape[1] == (4 if gram else 60)
        ends.append(np.array(walks))
    error = np.sqrt(sum(found.var(axis=0) / len(found) for found in ends))
    assert (np.abs(ends[0].mean(axis=0) - ends[1].mean(axis=0)) < 6.0 * error).all()
    assert (np.abs(ends[0].mean(axis=0) - [0.1, 0.8]) > 6.0 * error).any()
