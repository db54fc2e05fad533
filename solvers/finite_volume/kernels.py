"""Compiled sweeps of the finite-volume scheme: potential, face fluxes, update and outputs in one pass over
the cells.

Arrays are seen as rows: a grid of up to three axes is padded with leading axes of one cell to (n0, n1, n2),
its rows are the n0 * n1 lines along the last axis. Row r neighbours r - 1, r + 1 along axis 1 and r - n1, r
+ n1 along axis 0. Rows are swept in fixed blocks, whose bounds depend on the grid alone; sums are taken
block by block in a fixed order, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..arrays import INNER, Array

# No nnan and no ninf: a NaN must survive to the outputs, where the step is refused.
FAST = {"contract", "reassoc", "nsz"}


@njit(**INNER, fastmath=FAST)
def _potential(features: Array, gradient: Array, psi: Array) -> None:
    """psi_k = sum_m gradient_m Phi_mk along one row, features of shape (M, n)."""
    rank, n = features.shape
    first = rank % 4
    if first == 0:
        for k in range(n):
            psi[k] = 0.0
    elif first == 1:
        for k in range(n):
            psi[k] = gradient[0] * features[0, k]
    elif first == 2:
        for k in range(n):
            psi[k] = gradient[0] * features[0, k] + gradient[1] * features[1, k]
    else:
        for k in range(n):
            psi[k] = gradient[0] * features[0, k] + gradient[1] * features[1, k] + gradient[2] * features[2, k]
    while first < rank:
        a, b, c, d = gradient[first], gradient[first + 1], gradient[first + 2], gradient[first + 3]
        for k in range(n):
            psi[k] += (a * features[first, k] + b * features[first + 1, k]) + (
                c * features[first + 2, k] + d * features[first + 3, k]
            )
        first += 4


@njit(**INNER, fastmath=FAST)
def _add_outputs(features: Array, mass: Array, outputs: Array) -> None:
    """outputs_m += sum_k Phi_mk mass_k along one row, two features at a time."""
    rank, n = features.shape
    first = 0
    while first + 2 <= rank:
        a = 0.0
        b = 0.0
        for k in range(n):
            a += features[first, k] * mass[k]
            b += features[first + 1, k] * mass[k]
        outputs[first] += a
        outputs[first + 1] += b
        first += 2
    if first < rank:
        a = 0.0
        for k in range(n):
            a += features[first, k] * mass[k]
        outputs[first] += a


@njit(cache=True, fastmath=FAST)
def _face(difference, z, a, b, c, rate_a, rate_b, fore, aft, cap):  # type: ignore[no-untyped-def]
    """Flux through the face between cells of masses a and b, towards b; z, c: masses of their outer
    neighbours.

    difference: Psi_a - Psi_b. rate_a, rate_b: mobility / distance^2 (see `face_coefficients`). The
    reconstruction at the face, a + fore * (b - a) + aft * (a - z) in the units of a cell's mass (or the
    mirror image), stays in [0, 2 a], and a step takes at most cap * a, cap = 1 / (number of faces * step).
    """
    downward = difference > 0.0
    rate = difference * (rate_a if downward else rate_b)
    drained = a if downward else b
    rise_a = fore * (b - a) + aft * (a - z)
    rise_b = fore * (a - b) + aft * (b - c)
    value = drained + (rise_a if downward else rise_b)
    value = value if value > 0.0 else 0.0
    value = value if value < 2.0 * drained else 2.0 * drained
    flux = rate * value
    most = cap * drained
    flux = flux if flux < most else most
    return flux if flux > -most else -most


@njit(**INNER, fastmath=FAST)
def _rate(difference, a, b, rate_a, rate_b, floor):  # type: ignore[no-untyped-def]
    """Rate at which the face between a and b drains its upwind cell, 0 if that holds no more than `floor`."""
    downward = difference > 0.0
    rate = difference * (rate_a if downward else -rate_b)
    return rate if (a if downward else b) > floor else 0.0


# Fluxes and rates are separate loops: with two output arrays LLVM gives up on the alias checks and does not
# vectorise.
@njit(**INNER, fastmath=FAST)
def _faces_between_rows(z, a, b, c, psi_a, psi_b, rate_a, rate_b, fore, aft, cap, flux):  # type: ignore[no-untyped-def]
    """Fluxes from row a to row b (outer neighbours z, c)."""
    for k in range(a.shape[0]):
        flux[k] = _face(psi_a[k] - psi_b[k], z[k], a[k], b[k], c[k], rate_a, rate_b, fore, aft, cap)


@njit(**INNER, fastmath=FAST)
def _rates_between_rows(a, b, psi_a, psi_b, rate_a, rate_b, floor, rates):  # type: ignore[no-untyped-def]
    for k in range(a.shape[0]):
        rate = _rate(psi_a[k] - psi_b[k], a[k], b[k], rate_a, rate_b, floor)
        rates[k] = rate if rate > rates[k] else rates[k]


@njit(**INNER, fastmath=FAST)
def _faces_in_row(mass, psi, faces, cap, flux):  # type: ignore[no-untyped-def]
    """Fluxes along one row into flux[1:n]; flux[0] and flux[n], the walls, stay 0."""
    n = mass.shape[0]
    rate_a, rate_b = faces[0], faces[1]
    if n > 4:
        fore, aft = faces[2, 2], faces[3, 2]
        for k in range(2, n - 2):
            flux[k + 1] = _face(
                psi[k] - psi[k + 1],
                mass[k - 1],
                mass[k],
                mass[k + 1],
                mass[k + 2],
                rate_a[k],
                rate_b[k],
                fore,
                aft,
                cap,
            )
    for k in (0, 1, n - 2):
        if 0 <= k < n - 1:
            flux[k + 1] = _face(
                psi[k] - psi[k + 1], mass[k - 1 if k else 0], mass[k], mass[k + 1], mass[k + 2 if k < n - 2 else k + 1],
                rate_a[k], rate_b[k], faces[2, k], faces[3, k], cap,
            )  # fmt: skip


@njit(**INNER, fastmath=FAST)
def _rates_in_row(mass, psi, faces, floor, rates):  # type: ignore[no-untyped-def]
    rate_a, rate_b = faces[0], faces[1]
    for k in range(mass.shape[0] - 1):
        rate = _rate(psi[k] - psi[k + 1], mass[k], mass[k + 1], rate_a[k], rate_b[k], floor)
        rates[k] = rate if rate > rates[k] else rates[k]


@njit(**INNER, fastmath=FAST)
def _across(mass, psi, row, stride, index, shift, faces, cap, floor, flux, rates):  # type: ignore[no-untyped-def]
    """Fluxes between `row` and `row + stride`, cells `index` and `index + 1` of their axis; psi starts at
    row `shift`."""
    before = row - stride if index > 0 else row
    after = row + 2 * stride if index + 1 < faces.shape[1] else row + stride
    _faces_between_rows(
        mass[before], mass[row], mass[row + stride], mass[after], psi[row - shift], psi[row + stride - shift],
        faces[0, index], faces[1, index], faces[2, index], faces[3, index], cap, flux,
    )  # fmt: skip
    if floor >= 0.0:
        _rates_between_rows(
            mass[row], mass[row + stride], psi[row - shift], psi[row + stride - shift], faces[0, index],
            faces[1, index], floor, rates,
        )  # fmt: skip


@njit(**INNER, fastmath=FAST)
def _potentials(first, last, known, shift, features, gradient, psi):  # type: ignore[no-untyped-def]
    """Psi on rows first..last into psi[0..]; the rows before `known` are there, from psi[shift] on."""
    for row in range(first, last):
        here = psi[row - first]
        if row < known:
            there = psi[row - first + shift]
            for k in range(here.shape[0]):
                here[k] = there[k]
        else:
            _potential(features[row], gradient, here)


@njit(cache=True, nogil=True, fastmath=FAST)
def sweep_blocks(  # type: ignore[no-untyped-def]
    start, stop, bounds, n0, n1, features, gradient, faces0, faces1, faces2, mass, old, weight, step, cap,
    floor, new, partial, rates,
):  # fmt: skip
    """Blocks start..stop of an Euler stage: new = weight * old + (1 - weight) * (mass + step * inflow).

    Adds sum Phi new to a block's row of `partial`; with floor >= 0 raises rates[start] to the largest rate of the cells
    that hold more. What borders on the next block is kept for it; whoever begins with that one computes the same anew.
    """
    rows, n = mass.shape
    halo = n1 if n0 > 1 else 1
    longest = 0
    for b in range(start, stop):
        if bounds[b + 1] - bounds[b] > longest:
            longest = bounds[b + 1] - bounds[b]
    psi = np.empty((longest + 2 * halo, n))
    planes = np.zeros((n1 if n0 > 1 else 1, n))
    low0, low1, high1, columns, along = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n + 1)
    first, known = np.int64(0), np.int64(0)  # of the type of bounds, or `_potentials` would be compiled twice
    share = (1.0 - weight) * step
    along1 = np.int64(1)  # of the type of n1: a literal would have `_across` compiled twice
    for b in range(start, stop):
        shift, first = first, bounds[b] - halo if bounds[b] > halo else np.int64(0)
        last = bounds[b + 1] + halo if bounds[b + 1] + halo < rows else rows
        _potentials(first, last, known, first - shift, features, gradient, psi)
        known = last
        for row in range(bounds[b], bounds[b + 1]):
            i = row // n1
            j = row - i * n1
            high0 = planes[j if n0 > 1 else 0]
            if n0 > 1:
                if b == start and i > 0 and row - n1 < bounds[b]:
                    _across(mass, psi, row - n1, n1, i - 1, first, faces0, cap, floor, high0, columns)
                for k in range(n):
                    low0[k] = high0[k]
                if i + 1 < n0:
                    _across(mass, psi, row, n1, i, first, faces0, cap, floor, high0, columns)
                else:
                    for k in range(n):
                        high0[k] = 0.0
            if n1 > 1:
                if j == 0:
                    for k in range(n):
                        low1[k] = 0.0
                elif b == start and row == bounds[b]:
                    _across(mass, psi, row - 1, along1, j - 1, first, faces1, cap, floor, low1, columns)
                if j + 1 < n1:
                    _across(mass, psi, row, along1, j, first, faces1, cap, floor, high1, columns)
                else:
                    for k in range(n):
                        high1[k] = 0.0
            _faces_in_row(mass[row], psi[row - first], faces2, cap, along)
            if floor >= 0.0:
                _rates_in_row(mass[row], psi[row - first], faces2, floor, columns)
            here = mass[row]
            base = old[row]
            then = new[row]
            for k in range(n):
                inflow = (low0[k] - high0[k]) + (low1[k] - high1[k]) + (along[k] - along[k + 1])
                then[k] = weight * base[k] + ((1.0 - weight) * here[k] + share * inflow)
            if n1 > 1:
                for k in range(n):
                    low1[k] = high1[k]
            _add_outputs(features[row], then, partial[b])
    for k in range(n):
        if columns[k] > rates[start]:
            rates[start] = columns[k]


@njit(cache=True, nogil=True)
def potential_blocks(first, last, bounds, features, gradient, psi):  # type: ignore[no-untyped-def]
    """Fills the rows of `psi` of blocks first..last with gradient . Phi."""
    for row in range(bounds[first], bounds[last]):
        _potential(features[row], gradient, psi[row])


@njit(cache=True, nogil=True)
def output_blocks(first, last, bounds, features, mass, partial):  # type: ignore[no-untyped-def]
    """Adds the outputs of the masses in blocks first..last to their rows of `partial`, as the sweep does."""
    for b in range(first, last):
        for row in range(bounds[b], bounds[b + 1]):
            _add_outputs(features[row], mass[row], partial[b])
