"""Minimising movements by entropic transport, written here to compare with."""

from __future__ import annotations

import numpy as np
from numba import njit

from mfpde.solvers.arrays import Array
from tests.solvers.problems import bump, rank_two
from validation.bench.benches.jko.problem import BETA, CENTRE, DEVIATION, END, SIDE

SETTLED = 1e-6
"""Mean change of the logarithm of a potential at which entropic scaling stops."""


@njit(cache=True, nogil=True)
def log_blurred(log_kernel, potential, out):  # type: ignore[no-untyped-def]
    """out[j, i] = log sum_k exp(log_kernel[j, k] + potential[i, k]): one axis, the axes swapped."""
    lines, n = potential.shape
    for i in range(lines):
        for j in range(n):
            largest = -np.inf
            for k in range(n):
                largest = max(largest, log_kernel[j, k] + potential[i, k])
            total = 0.0
            for k in range(n):
                exponent = log_kernel[j, k] + potential[i, k] - largest
                if exponent > -37.0:
                    total += np.exp(exponent)
            out[j, i] = largest + np.log(total)


class EntropicJko:
    """Minimising movements by entropic transport (Peyre, SIAM J. Imaging Sci. 8 (2015) 2323), scaled to a fixed point.

    With sigma = 1/(2 beta) and regularisation gamma a step minimises over plans pi with first marginal mu

        <|x - y|^2, pi> / (2 tau) + gamma sum pi log pi + <Psi, rho> + (sigma - gamma/2) sum rho log rho,

    rho the second marginal: gamma sum pi log pi acts as (gamma/2) sum rho log rho to leading order, which is taken off.
    log a = log mu - K log b, log rho = (gamma K log a - Psi) / (gamma/2 + sigma), log b = log rho - K log a, where K u
    is the log of the Gaussian blur of e^u, applied axis by axis. Psi is linearised anew in every iteration, at outputs
    extrapolated from the steps before, and K log a starts from that of the step before. At gamma = 2 sigma the plan
    alone makes the noise and b needs no scaling.

    Args:
        cells: per axis.
        tau: step.
        gamma: over sigma.
        dense_logarithms: sums every exponential of each log-sum; False: matrix products of e^u, shifted to its maximum.
    """

    def __init__(self, cells: int, tau: float, gamma: float, dense_logarithms: bool) -> None:
        edge = np.linspace(0.0, SIDE, cells + 1)
        self._centres = 0.5 * (edge[1:] + edge[:-1])
        points = np.stack([part.ravel() for part in np.meshgrid(self._centres, self._centres, indexing="ij")], axis=1)
        self.objective = rank_two()[0]
        self._features = self.objective.features.values(points).T.reshape(-1, cells, cells)
        self._start = np.log(np.maximum(bump((edge, edge), CENTRE, DEVIATION), 1e-100))
        self._tau = tau
        self._sigma = 0.5 / BETA
        self._gamma = gamma * self._sigma
        difference = self._centres[:, None] - self._centres
        self._log_kernel = -(difference**2) / (2.0 * tau * self._gamma)
        self._kernel = np.exp(self._log_kernel)
        self._dense = dense_logarithms

    def run(self) -> tuple[float, float, int]:
        """R and mean r1 at `END`, and iterations."""
        log_mu, log_s, iterations = self._start, np.zeros_like(self._start), 0
        outputs = self._outputs(log_mu)
        trend = np.zeros_like(outputs)
        for _ in range(round(END / self._tau)):
            log_rho, log_s, new, count = self._step(log_mu, log_s, outputs + trend)
            trend, outputs, log_mu, iterations = new - outputs, new, log_rho, iterations + count
        law = np.exp(log_mu)
        return self.objective.risk(outputs), float(law.sum(axis=1) @ self._centres / law.sum()), iterations

    def _step(self, log_mu: Array, log_s: Array, outputs: Array) -> tuple[Array, Array, Array, int]:
        """From log K a and the outputs guessed: log rho, log K a, outputs, iterations; every rho has mass 1."""
        spread = self._sigma + 0.5 * self._gamma
        log_b = np.full_like(log_mu, np.inf)
        for count in range(1, 200):
            psi = np.einsum("m,mij->ij", self.objective.loss_gradient(outputs), self._features)
            before, log_b = log_b, ((0.5 * self._gamma - self._sigma) * log_s - psi) / spread
            log_s = self._blurred(log_mu - self._blurred(log_b))
            log_rho = log_b + log_s
            previous, outputs = outputs, self._outputs(log_rho)
            change = float(np.exp(np.maximum(log_rho, -700.0)).ravel() @ np.abs(log_b - before).ravel())
            if change <= SETTLED and float(np.abs(outputs - previous).max()) <= 0.1 * SETTLED:
                return log_rho, log_s, outputs, count
        raise ArithmeticError(f"entropic step not solved in 200 iterations: tau {self._tau}, gamma {self._gamma}")

    def _blurred(self, potential: Array) -> Array:
        if self._dense:
            first, second = np.empty_like(potential), np.empty_like(potential)
            log_blurred(self._log_kernel, potential, first)
            log_blurred(self._log_kernel, first, second)
            return second
        shift = float(potential.max())
        blurred = self._kernel @ np.exp(np.maximum(potential - shift, -700.0)) @ self._kernel
        return np.asarray(np.log(np.maximum(blurred, 1e-300)) + shift)

    def _outputs(self, log_law: Array) -> Array:
        return np.asarray(np.einsum("mij,ij->m", self._features, np.exp(np.maximum(log_law, -700.0))))
