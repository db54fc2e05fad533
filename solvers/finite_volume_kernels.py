"""Compiled sweeps of the finite-volume scheme: potential, face fluxes, update and outputs in one pass over the cells.

Arrays are seen as rows: a grid of up to three axes is padded with leading axes of one cell to (n0, n1, n2), its rows
are the n0 * n1 lines along the last axis. Row r neighbours r - 1, r + 1 along axis 1 and r - n1, r + n1 along axis 0.
Rows are swept in fixed blocks, whose bounds depend on the grid alone; sums are taken block by block in a fixed order,
so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .objective import Array

# No nnan and no ninf: a NaN must survive to the outputs, where the step is refused.
FAST = {"contract", "reassoc", "nsz"}


@njit(cache=True, fastmath=FAST)
def _potential(features: Array, gradient: Array, psi: Array) -> None:
    """psi_k = sum_m gradient_m Phi_mk along one row, features of shape (M, n)."""
    rank, n = features.shape
    for k in range(n):
        psi[k] = gradient[0] * features[0, k]
    first = 1
    while first + 4 <= rank:
        a, b, c, d = gradient[first], gradient[first + 1], gradient[first + 2], gradient[first + 3]
        for k in range(n):
            psi[k] += (a * features[first, k] + b * features[first + 1, k]) + (
                c * features[first + 2, k] + d * features[first + 3, k]
            )
        first += 4
    for m in range(first, rank):
        a = gradient[m]
        for k in range(n):
            psi[k] += a * features[m, k]


@njit(cache=True, fastmath=FAST)
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


@njit(cache=True, fastmath=FAST, inline="always")
def _face(psi_a, psi_b, mass_a, mass_b, line_z, line_a, line_b, line_c, c_a, c_b, pull, cap):  # type: ignore[no-untyped-def]
    """Velocity and flux through the face between cells a and b, of which z and c are the outer neighbours.

    line_* = mass / width along the axis. The reconstruction line + c * (central difference) stays in [0, 2 line], and a
    face takes at most cap * mass (cap = 1 / (number of faces * step)) of the cell it drains.
    """
    velocity = (psi_a - psi_b) * pull
    up_a = line_a + c_a * (line_b - line_z)
    up_b = line_b - c_b * (line_c - line_a)
    up_a = up_a if up_a > 0.0 else 0.0
    up_b = up_b if up_b > 0.0 else 0.0
    up_a = up_a if up_a < 2.0 * line_a else 2.0 * line_a
    up_b = up_b if up_b < 2.0 * line_b else 2.0 * line_b
    flux = velocity * (up_a if velocity > 0.0 else up_b)
    top = cap * mass_a
    bottom = -cap * mass_b
    flux = flux if flux < top else top
    flux = flux if flux > bottom else bottom
    return velocity, flux


@njit(cache=True, fastmath=FAST)
def _faces_between_rows(z, a, b, c, psi_a, psi_b, inverse_widths, face, numbers, floor, flux, rates):  # type: ignore[no-untyped-def]
    """Fluxes between rows a and b (outer neighbours z, c), and the rates |v| / width of the cells they drain.

    inverse_widths: those of rows z, a, b, c; face: (c_a, c_b, pull); numbers: cap and floor.
    """
    w_z, w_a, w_b, w_c = inverse_widths
    c_a, c_b, pull = face
    for k in range(a.shape[0]):
        velocity, flow = _face(
            psi_a[k], psi_b[k], a[k], b[k], z[k] * w_z, a[k] * w_a, b[k] * w_b, c[k] * w_c, c_a, c_b, pull, numbers
        )
        flux[k] = flow
        rate = velocity * w_a if velocity > 0.0 else -velocity * w_b
        drained = a[k] if velocity > 0.0 else b[k]
        rate = rate if drained > floor else 0.0
        rates[k] = rate if rate > rates[k] else rates[k]


@njit(cache=True, fastmath=FAST)
def _faces_in_row(mass, psi, inverse_widths, faces, cap, floor, line, flux, rates):  # type: ignore[no-untyped-def]
    """Fluxes along one row into flux[1:n]; flux[0] and flux[n], the walls, stay 0. `line` is scratch of n + 2."""
    n = mass.shape[0]
    for k in range(n):
        line[k + 1] = mass[k] * inverse_widths[k]
    for k in range(n - 1):
        velocity, flow = _face(
            psi[k], psi[k + 1], mass[k], mass[k + 1], line[k], line[k + 1], line[k + 2], line[k + 3],
            faces[0, k], faces[1, k], faces[2, k], cap,
        )  # fmt: skip
        flux[k + 1] = flow
        rate = velocity * inverse_widths[k] if velocity > 0.0 else -velocity * inverse_widths[k + 1]
        drained = mass[k] if velocity > 0.0 else mass[k + 1]
        rate = rate if drained > floor else 0.0
        rates[k] = rate if rate > rates[k] else rates[k]


@njit(cache=True, fastmath=FAST)
def _across(mass, psi, row, stride, index, shift, inverse_widths, faces, cap, floor, flux, rates):  # type: ignore[no-untyped-def]
    """Fluxes between `row` and `row + stride`, cells `index` and `index + 1` of their axis; psi starts at row `shift`."""
    last = inverse_widths.shape[0] - 1
    before = row - stride if index > 0 else row
    after = row + 2 * stride if index + 1 < last else row + stride
    widths = (
        inverse_widths[max(index - 1, 0)],
        inverse_widths[index],
        inverse_widths[index + 1],
        inverse_widths[min(index + 2, last)],
    )
    _faces_between_rows(
        mass[before], mass[row], mass[row + stride], mass[after], psi[row - shift], psi[row + stride - shift], widths,
        (faces[0, index], faces[1, index], faces[2, index]), cap, floor, flux, rates,
    )  # fmt: skip


@njit(cache=True, fastmath=FAST)
def _sweep_block(  # type: ignore[no-untyped-def]
    start, stop, n0, n1, features, gradient, widths0, widths1, widths2, faces0, faces1, faces2,
    mass, old, weight, step, cap, floor, new, outputs,
):  # fmt: skip
    """One Euler stage on rows start..stop: new = weight * old + (1 - weight) * (mass + step * inflow).

    Adds sum Phi new to `outputs` and returns the largest rate of the cells that hold more than `floor`.
    """
    rows, n = mass.shape
    halo = n1 if n0 > 1 else 1
    first = max(start - halo, 0)
    psi = np.empty((min(stop + halo, rows) - first, n))
    for r in range(psi.shape[0]):
        _potential(features[first + r], gradient, psi[r])
    rates = np.zeros(n)
    line = np.zeros(n + 2)
    along = np.zeros(n + 1)
    low1 = np.zeros(n)
    high1 = np.zeros(n)
    inflow = np.zeros(n)
    planes = np.zeros((n1 if n0 > 1 else 1, n))
    for row in range(start, stop):
        i = row // n1
        j = row - i * n1
        inflow[:] = 0.0
        if n0 > 1:
            plane = planes[j]
            if i == 0:
                plane[:] = 0.0
            elif row - n1 < start:
                _across(mass, psi, row - n1, n1, i - 1, first, widths0, faces0, cap, floor, plane, rates)
            for k in range(n):
                inflow[k] = plane[k]
            if i + 1 < n0:
                _across(mass, psi, row, n1, i, first, widths0, faces0, cap, floor, plane, rates)
                for k in range(n):
                    inflow[k] -= plane[k]
        if n1 > 1:
            if j == 0:
                low1[:] = 0.0
            elif row == start:
                _across(mass, psi, row - 1, 1, j - 1, first, widths1, faces1, cap, floor, low1, rates)
            if j + 1 < n1:
                _across(mass, psi, row, 1, j, first, widths1, faces1, cap, floor, high1, rates)
            else:
                high1[:] = 0.0
            for k in range(n):
                inflow[k] += low1[k] - high1[k]
            low1, high1 = high1, low1
        _faces_in_row(mass[row], psi[row - first], widths2, faces2, cap, floor, line, along, rates)
        here = mass[row]
        then = new[row]
        if weight > 0.0:
            base = old[row]
            for k in range(n):
                then[k] = weight * base[k] + (1.0 - weight) * (here[k] + step * (inflow[k] + along[k] - along[k + 1]))
        else:
            for k in range(n):
                then[k] = here[k] + step * (inflow[k] + along[k] - along[k + 1])
        _add_outputs(features[row], then, outputs)
    return rates.max()


@njit(cache=True)
def _sweep_serial(  # type: ignore[no-untyped-def]
    bounds, n0, n1, features, gradient, widths0, widths1, widths2, faces0, faces1, faces2,
    mass, old, weight, step, cap, floor, new, partial, rates,
):  # fmt: skip
    for b in range(bounds.shape[0] - 1):
        rates[b] = _sweep_block(
            bounds[b], bounds[b + 1], n0, n1, features, gradient, widths0, widths1, widths2, faces0, faces1, faces2,
            mass, old, weight, step, cap, floor, new, partial[b],
        )  # fmt: skip


@njit(cache=True, parallel=True)
def _sweep_parallel(  # type: ignore[no-untyped-def]
    bounds, n0, n1, features, gradient, widths0, widths1, widths2, faces0, faces1, faces2,
    mass, old, weight, step, cap, floor, new, partial, rates,
):  # fmt: skip
    for b in prange(bounds.shape[0] - 1):
        rates[b] = _sweep_block(
            bounds[b], bounds[b + 1], n0, n1, features, gradient, widths0, widths1, widths2, faces0, faces1, faces2,
            mass, old, weight, step, cap, floor, new, partial[b],
        )  # fmt: skip
