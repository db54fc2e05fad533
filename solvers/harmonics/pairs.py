"""Sums over pairs of neurons on the sphere, degree by degree, by the recurrence of P_k in their cosines."""

from __future__ import annotations

import numba
import numpy as np

from ..arrays import Array

BLOCK = 256
"""Neurons whose P_k are held at once."""
FAST = {"reassoc", "contract", "nsz", "arcp"}


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def pulls(cosines: Array, others: Array, first: Array, second: Array) -> Array:
    """sum_j r_jk P_k(c_ij), shape (n, K), of cosines (n, m) and r^T of shape (K, m)."""
    neurons, count = len(cosines), len(others)
    found = np.zeros((neurons, count))
    before, now = np.empty(BLOCK), np.empty(BLOCK)
    for begin in range(0, cosines.shape[1], BLOCK):
        size = min(BLOCK, cosines.shape[1] - begin)
        for i in range(neurons):
            for j in range(size):
                before[j], now[j] = 0.0, 1.0
            for k in range(count):
                total = 0.0
                for j in range(size):
                    total += others[k, begin + j] * now[j]
                found[i, k] += total
                a, b = first[k], second[k]
                for j in range(size):
                    following = a * cosines[i, begin + j] * now[j] - b * before[j]
                    before[j] = now[j]
                    now[j] = following
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def sums(cosines: Array, own: Array, others: Array, first: Array, second: Array) -> Array:
    """sum_k l_ik r_jk P_k(c_ij), shape (n, m), of l (n, K) and r^T (K, m)."""
    neurons, count = len(cosines), len(others)
    found = np.zeros(cosines.shape)
    before, now = np.empty(BLOCK), np.empty(BLOCK)
    for begin in range(0, cosines.shape[1], BLOCK):
        size = min(BLOCK, cosines.shape[1] - begin)
        for i in range(neurons):
            for j in range(size):
                before[j], now[j] = 0.0, 1.0
            for k in range(count):
                a, b, share = first[k], second[k], own[i, k]
                for j in range(size):
                    found[i, begin + j] += share * others[k, begin + j] * now[j]
                    following = a * cosines[i, begin + j] * now[j] - b * before[j]
                    before[j] = now[j]
                    now[j] = following
    return found
