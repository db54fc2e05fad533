"""The angle between two directions: ladders of Gauss rules, and moments by recurrence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mfpde.solvers.activations.activation import ARCCOSINE, ARCSINE, Arc
from mfpde.solvers.networks.arcs import angular_rule, averaged, expanded, ladder, pairs, power_recurrence

DIMENSIONS = [1.0, 2.0, 3.0, 9.0, math.inf]


@pytest.mark.parametrize("form", [ARCCOSINE, ARCSINE])
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_short_rules_serve_as_the_longest(form: int, dimension: float) -> None:
    """Against all nodes for all pairs; with reaches half as far 1e-11 is missed."""
    rng, arc = np.random.default_rng(0), Arc(form, 1.3, 0.2)
    points, others = np.abs(rng.normal(size=(20, 3))) * 2.0, np.abs(rng.normal(size=(40, 3))) * [1.0, 2.0, 0.5]
    values, slopes = np.empty((20, 40)), np.empty((20, 40, 3))
    rules = ladder(64, dimension)
    averaged(tuple(arc), points, others, rules, values, slopes)
    nodes, weights = angular_rule(64, dimension)
    squares = (points**2).sum(axis=1), (others**2).sum(axis=1)
    common, across = points[:, :2] @ others[:, :2].T, np.outer(points[:, 2], others[:, 2])
    whole = [pairs(arc, *squares, common + n * across) for n in nodes]
    np.testing.assert_allclose(values, sum(w * one[0] for w, one in zip(weights, whole, strict=True)), atol=1e-14)
    by_c, by_v = (sum(w * one[k] for w, one in zip(weights, whole, strict=True)) for k in (1, 2))
    expected = by_c[:, :, None] * others[:, :2] + 2.0 * by_v[:, :, None] * points[:, None, :2]
    np.testing.assert_allclose(slopes[:, :, :2], expected, atol=1e-13)


@pytest.mark.parametrize("dimension", [0.0, *DIMENSIONS])
def test_series_by_recurrence_are_those_by_rules(dimension: float) -> None:
    """Values and slopes of E_n sum_k c_k c'_k rho^k; the slope in s has the moments of p + 2 dimensions.

    One pair is orthogonal: there the slope is that of k = 1, although rho = 0.
    """
    rng, terms = np.random.default_rng(1), 24
    points, others = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    points[0, 0], others[0, 1:] = 0.0, 0.0
    points[:, 2], others[:, 2] = np.abs(points[:, 2]) * (dimension > 0.0), np.abs(others[:, 2]) * (dimension > 0.0)
    moments, theirs = rng.normal(size=(4, 3, terms)), rng.normal(size=(5, terms))
    values, slopes = np.empty((4, 5)), np.empty((4, 5, 4))
    rows = [power_recurrence(terms, dimension + more) for more in (0.0, 2.0)]
    expanded(points, moments, others, theirs, *rows, dimension or math.inf, values, slopes)
    nodes, weights = angular_rule(32, dimension)
    sizes = np.linalg.norm(points, axis=1), np.linalg.norm(others, axis=1)
    both = np.outer(*sizes)[:, :, None]
    across = np.outer(points[:, 2], others[:, 2])[:, :, None]
    rho = ((points[:, :2] @ others[:, :2].T)[:, :, None] + across * nodes) / both
    k = np.arange(terms)
    powers = rho[..., None] ** k
    lower = np.zeros_like(powers)
    lower[..., 1:] = k[1:] * powers[..., :-1]
    own = moments[:, 0]
    np.testing.assert_allclose(values, np.einsum("q,ijqk,ik,jk->ij", weights, powers, own, theirs), atol=1e-12)
    grown = np.einsum("q,ijqk,ik,jk->ij", weights, powers, moments[:, 1], theirs)
    turned = np.einsum("q,ijqk,k,ik,jk->ij", weights, powers, k, own, theirs)
    radial = (grown - turned / sizes[0][:, None]) / sizes[0][:, None]
    for axis, share in ((0, np.ones_like(nodes)), (2, nodes)):
        along = np.einsum("q,ijqk,ik,jk->ij", weights * share, lower, own, theirs) / both[..., 0] * others[:, axis]
        np.testing.assert_allclose(slopes[:, :, axis], radial * points[:, axis, None] + along, atol=1e-11)
