"""Compiled loops of the minimising movements on grids: what an axis step dissipates, and how far from optimal it is."""

from __future__ import annotations

import math

from numba import njit

TINY = 1e-290  # exchanges below this carry nothing


@njit(cache=True, nogil=True)
def axis_account(mass, upward, downward, crossed, step, twice_beta):  # type: ignore[no-untyped-def]
    """(sum of J grad, duality gap) of one axis step that ended in `mass`.

    With x = upward m_a, y = downward m_b the driving force of a face is grad = log(x / y) / (2 beta) and its
    mobility K = (x - y) / grad, a logarithmic mean. The step is optimal where J = step K grad.

    Args:
        mass: after the step, shape (before, n, after).
        upward, downward: rates through the inner faces, shape (before, n - 1, after).
        crossed: J, the masses that crossed the faces upward, of the same shape.
        step: tau.
        twice_beta: 2 beta.

    Returns:
        sum J log(x / y) / (2 beta) and sum (J - tau K grad)^2 / (2 tau K), both over the faces.
    """
    before, n, after = mass.shape
    work, gap = 0.0, 0.0
    for i in range(before):
        for k in range(n - 1):
            for j in range(after):
                x = upward[i, k, j] * mass[i, k, j]
                y = downward[i, k, j] * mass[i, k + 1, j]
                if not (x + y > TINY):
                    continue
                difference = x - y
                force = math.log(max(x, TINY) / max(y, TINY))
                mean = difference / force if abs(force) > 1e-6 else 0.5 * (x + y)
                miss = crossed[i, k, j] - step * difference
                work += crossed[i, k, j] * force
                gap += miss * miss / mean
    return work / twice_beta, gap / (2.0 * step * twice_beta)
