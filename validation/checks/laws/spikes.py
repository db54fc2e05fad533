"""The flow of masses and places of sparse spikes, by an integration that knows their kernel alone.

With D(t) = (1 + 2 sum_k cos k t) / (1 + 2 K), the kernel of the low-pass filter to order K, masses m_i of signs s_i at
angles a_i and eta(t) = sum_k w_k D(t - p_k) - sum_i s_i m_i D(t - a_i):

    a_i' = s_i eta'(a_i),    (log m_i)' = growth (s_i eta(a_i) - lambda),
    2 J = |Phi mu - y|^2 + 2 lambda sum_i m_i.

Nothing of it has features, gradients of them, or panels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from mfpde.configuration.sources import experiment_of
from validation.expected.quadrature import Array
from validation.rows import CHARACTERISTICS, Row, check, within_estimate, worst
from validation.workbench import Workbench, at

TIMES = (0.0, 0.5, 2.0, 8.0, 32.0)
STEPS = 1e-11
"""Tolerance of DOP853's steps."""
DOUBT, ALLOWED = 1e-9, 1e-8
"""What they leave of J, and the error of 2 J that is promised at a tolerance of 1e-8."""


@check("spikes", (CHARACTERISTICS,))
def flows(bench: Workbench, scheme: str) -> Iterator[Row]:
    """2 J and R of both presets."""
    for preset in ("spikes-3", "spikes-5"):
        asked = [f"solver.scheme={scheme}", "solver.tolerance=1e-8", f"time.end={TIMES[-1]}"]
        experiment = experiment_of(preset, overrides=[*asked, f"time.save={list(TIMES)}"])
        result, law = bench.run(experiment), experiment.data
        assert experiment.dynamics.penalty is not None
        energies, risks = _integrated(
            law,
            getattr(experiment.initial, "equispaced", None) or 64,
            float(experiment.dynamics.growth or 1.0),
            float(experiment.dynamics.penalty.path),
        )
        for time, energy in zip(TIMES, energies, strict=True):
            yield Row(f"{preset} 2 J({time:g})", scheme, energy, at(result, "free_energy", time), DOUBT, ALLOWED)
        yield worst(
            within_estimate(preset, scheme, time, risk, DOUBT, result) for time, risk in zip(TIMES, risks, strict=True)
        )


def _integrated(law: Any, count: int, growth: float, strength: float) -> tuple[Array, Array]:
    """2 J and |Phi mu - y|^2 at the times, from equal masses of sum 1 at `count` equispaced angles of either sign."""
    orders = np.arange(1, law.seen_by.order + 1)
    places, weights = np.array(law.positions), np.array(law.weights)
    angles, signs = np.repeat(2.0 * np.pi / count * np.arange(count), 2), np.tile([1.0, -1.0], count)
    waves = np.append(1.0, np.full(2 * len(orders), 2.0)) / (1.0 + 2.0 * len(orders))

    def functions(at: Array) -> Array:
        """1, cos and sin, of which D(t - t') is a sum of products."""
        phases = np.outer(at, orders)
        return np.hstack([np.ones((len(at), 1)), np.cos(phases), np.sin(phases)])

    target = weights @ functions(places)

    def left(flat: Array) -> tuple[Array, Array, Array]:
        angle, mass = flat[: 2 * count], np.exp(flat[2 * count :])
        return (target - (signs * mass) @ functions(angle)) * waves, angle, mass

    def velocity(_: float, flat: Array) -> Array:
        eta, angle, _mass = left(flat)
        seen, slopes = functions(angle) @ eta, functions(angle)
        cosines, sines = np.split(eta[1:], 2)
        along, across = np.split(slopes[:, 1:] * np.tile(orders, 2), 2, axis=1)
        return np.concatenate([signs * (along @ sines - across @ cosines), growth * (signs * seen - strength)])

    start = np.concatenate([angles, np.full(2 * count, -np.log(2.0 * count))])
    found = solve_ivp(velocity, (0.0, TIMES[-1]), start, "DOP853", TIMES, rtol=STEPS, atol=STEPS)
    states = [left(flat) for flat in found.y.T]
    risks = np.array([eta @ (eta / waves) for eta, _, _ in states])
    return risks + 2.0 * strength * np.array([mass.sum() for _, _, mass in states]), risks
