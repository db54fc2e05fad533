"""Random numbers by counter: the published words, the law of the normals, independence of everything that has a name.

The statistical tests run on fixed counters: a correct generator with another seed would fail each with the
probability stated there.
"""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
from scipy import stats

from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd.philox import LABELS, NOISE, SAMPLES, coin, fill_normals, log_unit, philox, turn

SEED, REPLICA = np.uint64(11), np.uint64(3)
SIGNIFICANCE = 1e-6


def reference_philox(counter: list[int], key: list[int], bits: int) -> list[int]:
    """Philox 4xW-10 for words of W bits, from the paper."""
    multipliers = {32: (0xD2511F53, 0xCD9E8D57), 64: (0xD2E7470EE14C6C93, 0xCA5A826395121157)}[bits]
    weyl = {32: (0x9E3779B9, 0xBB67AE85), 64: (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)}[bits]
    mask = 2**bits - 1
    for _ in range(10):
        high, low = multipliers[0] * counter[0], multipliers[1] * counter[2]
        counter = [
            (low >> bits) ^ counter[1] ^ key[0],
            low & mask,
            (high >> bits) ^ counter[3] ^ key[1],
            high & mask,
        ]
        key = [(key[0] + weyl[0]) & mask, (key[1] + weyl[1]) & mask]
    return counter


@numba.njit
def elementary(points: Array, out: Array) -> None:
    """log u, cos 2 pi u, sin 2 pi u in the rows of out."""
    for i in range(points.size):
        out[0, i] = log_unit(points[i])
        out[1, i], out[2, i] = turn(points[i])


def normals(count: int, step: int = 0, stream: np.uint64 = SAMPLES, replica: int = 3, seed: int = 11) -> Array:
    """`count` normals of one step."""
    out = np.empty(count)
    fill_normals(out, 0, stream, step, np.uint64(seed), np.uint64(replica))
    return out


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_published_words(counter: list[int], key: list[int], words: list[int]) -> None:
    assert [int(word) for word in philox(*map(np.uint64, counter + key))] == words


def test_words_by_the_algorithm_that_numpy_runs_on_64_bits() -> None:
    counter, key = [5, 2**63 + 1, 7, 2**40], [2**64 - 3, 12345]
    raw = np.random.Philox(counter=sum(word << (64 * i) for i, word in enumerate(counter)), key=key[0] + (key[1] << 64))
    # numpy steps the counter before its first block
    assert reference_philox([counter[0] + 1, *counter[1:]], key, 64) == [int(word) for word in raw.random_raw(4)]
    drawn = np.random.default_rng(0).integers(0, 2**32, size=(50, 6))
    for row in drawn.tolist():
        ours = philox(*map(np.uint64, row))
        assert [int(word) for word in ours] == reference_philox(row[:4], row[4:], 32)


def test_elementary_functions() -> None:
    points = np.concatenate(([2.0**-53, 1.0 - 2.0**-53, 0.5, 0.25, 0.75], np.linspace(1e-7, 1.0, 20001)[:-1]))
    out = np.empty((3, points.size))
    elementary(points, out)
    np.testing.assert_allclose(out[0], np.log(points), rtol=1e-15, atol=0.0)
    np.testing.assert_allclose(out[1], np.cos(2 * np.pi * points), rtol=0.0, atol=2e-15)
    np.testing.assert_allclose(out[2], np.sin(2 * np.pi * points), rtol=0.0, atol=2e-15)


def test_pairs_of_counters_and_long_steps() -> None:
    whole, part, odd = normals(64, step=2**32 + 9), np.empty(20), np.empty(7)
    fill_normals(part, 5, SAMPLES, 2**32 + 9, SEED, REPLICA)
    np.testing.assert_allclose(part, np.concatenate((whole[5:15], whole[37:47])), rtol=1e-14)
    fill_normals(odd, 5, SAMPLES, 2**32 + 9, SEED, REPLICA)
    np.testing.assert_allclose(odd, np.concatenate((whole[5:9], whole[37:40])), rtol=1e-14)
    assert np.abs(whole - normals(64, step=9)).min() > 1e-6


def test_moments_and_law_of_the_normals() -> None:
    sample = normals(4_000_000)
    # moments 1..6: five standard errors, failing together with probability 4e-6
    for order, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (5, 0, 945), (6, 15, 10170)):
        assert abs(np.mean(sample**order) - moment) < 5.0 * np.sqrt(variance / sample.size), order
    assert stats.kstest(sample[:1_000_000], stats.norm.cdf).pvalue > SIGNIFICANCE
    assert stats.kstest(sample[-1_000_000:], stats.norm.cdf).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_tails_of_the_normals(sign: float) -> None:
    sample = sign * np.concatenate([normals(4_000_000, step) for step in range(3)])
    for level in (3.0, 4.0, 4.75):
        expected = sample.size * stats.norm.sf(level)
        count = int(np.sum(sample > level))
        assert stats.poisson.sf(count - 1, expected) > SIGNIFICANCE, level
        assert stats.poisson.cdf(count, expected) > SIGNIFICANCE, level


def test_smallest_uniform_gives_a_finite_normal() -> None:
    out = np.empty((3, 1))
    elementary(np.array([0.5 * 2.0**-52]), out)
    assert np.sqrt(-2.0 * out[0, 0]) == pytest.approx(np.sqrt(106.0 * np.log(2.0)), rel=1e-15)


def test_independence_between_names() -> None:
    n = 500_000
    sample = normals(2 * n)
    parts = {
        "cosines": sample[:n],
        "sines": sample[n:],
        "next pair": np.roll(sample[:n], 1),
        "next step": normals(2 * n, step=1)[:n],
        "step beyond 2^32": normals(2 * n, step=2**32)[:n],
        "other stream": normals(2 * n, stream=NOISE)[:n],
        "other replica": normals(2 * n, replica=4)[:n],
        "other seed": normals(2 * n, seed=12)[:n],
        "swapped key": normals(2 * n, seed=3, replica=11)[:n],
    }
    # correlations of values, squares and of one with the other: 6 standard errors each, 1e-9 apiece
    for (first, x), (second, y) in itertools.combinations(parts.items(), 2):
        for p, q in ((1, 1), (2, 2), (1, 2), (2, 1)):
            correlation = np.corrcoef(x**p, y**q)[0, 1]
            assert abs(correlation) < 6.0 / np.sqrt(n), (first, second, p, q)
    # joint law of the two halves of Box-Muller, on 20 x 20 cells of equal probability
    cells = np.minimum((stats.norm.cdf(np.stack((parts["cosines"], parts["sines"]))) * 20).astype(int), 19)
    counts = np.bincount(20 * cells[0] + cells[1], minlength=400)
    assert stats.chisquare(counts).pvalue > SIGNIFICANCE


def test_labels_are_fair_and_independent_of_the_sample() -> None:
    labels = np.array([coin(step, SEED, REPLICA) for step in range(100_000)])
    first = np.array([normals(1, step)[0] for step in range(20_000)])
    assert abs(labels.mean() - 0.5) < 5.0 * 0.5 / np.sqrt(labels.size)
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 5.0 / np.sqrt(labels.size)
    assert stats.ks_2samp(first[labels[:20_000] == 0], first[labels[:20_000] == 1]).pvalue > SIGNIFICANCE
    assert int(LABELS) != int(SAMPLES)
