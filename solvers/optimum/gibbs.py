"""The Gibbs law: the unique minimiser of the free energy with noise, by Newton's method in feature space.

With noise the free energy is strictly convex,

    F(p)/2 = L(Phi p) + ∫V p + (1/(2 beta)) ∫ p log(p/omega),

and its minimiser is the fixed point p ∝ omega exp(-2 beta (g . Phi + V)), g = grad L(Phi p). The dual

    D(g) = -L*(g) - (1/(2 beta)) log ∫ omega exp(-2 beta (g . Phi + V)),
    grad D = ∫Phi p_g - grad L*(g),      Hess D = -Hess L*(g) - 2 beta Cov_{p_g}(Phi),

is smooth and concave in the M numbers g; F(p_g)/2 - D(g) >= 0 certifies a solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

from ..arrays import Array
from ..objective.objective import Objective

ITERATIONS = 200
SLACK = 1e-13


@dataclass(frozen=True)
class Gibbs:
    """The Gibbs law on a quadrature rule.

    Attributes:
        masses: of the nodes, summing to 1, shape (n,).
        outputs: Phi p, shape (M,).
        dual: g, shape (M,).
        half_free_energy: F/2 without the surface constants.
        half_lower_bound: D(g) <= min F/2.
        residual: largest |grad D|, the error of the fixed point in the outputs.
    """

    masses: Array
    outputs: Array
    dual: Array
    half_free_energy: float
    half_lower_bound: float
    residual: float


def gibbs_law(
    objective: Objective,
    features: Array,
    log_weights: Array,
    confinement: Array,
    inverse_temperature: float,
    start: Array | None = None,
) -> Gibbs:
    """Maximise the dual on a quadrature rule by damped Newton steps.

    Args:
        objective: the loss (its features are not evaluated here).
        features: Phi at the nodes, shape (n, M).
        log_weights: logarithm of the nodes' weights times omega, shape (n,).
        confinement: V at the nodes, shape (n,).
        inverse_temperature: beta.
        start: first g.

    Raises:
        ArithmeticError: if the iteration does not converge or meets a value that is not finite.
    """
    loss, beta2 = objective.loss, 2.0 * inverse_temperature
    base = log_weights - beta2 * confinement

    def evaluate(g: Array) -> tuple[float, Array, Array, Array]:
        exponent = base - beta2 * (features @ g)
        log_partition = float(special.logsumexp(exponent))
        masses = np.exp(exponent - log_partition)
        outputs = masses @ features
        return -loss.conjugate(g) - log_partition / beta2, loss.mismatch(outputs, g), masses, outputs

    zero = np.zeros(features.shape[1])
    if start is None:
        start = zero if loss.quadratic else loss.gradient(zero)
    g = start
    value, slope, masses, outputs = evaluate(g)
    for _ in range(ITERATIONS):
        centred = features - outputs
        curvature = loss.conjugate_hessian(g).dense() + beta2 * (centred.T * masses) @ centred
        step = linalg.solve(curvature, slope, assume_a="pos")
        gain = float(slope @ step)
        if not np.isfinite(gain):
            raise ArithmeticError("the Gibbs law's Newton step is not finite; lower inverse_temperature or raise ridge")
        length = 1.0
        while True:
            trial = evaluate(g + length * step)
            if trial[0] >= value + 0.25 * length * gain - SLACK * (1.0 + abs(value)):
                break
            length *= 0.5
            if length < 1e-12:
                raise ArithmeticError("the Gibbs law's line search stalls; lower inverse_temperature or raise ridge")
        g = g + length * step
        value, slope, masses, outputs = trial
        if gain < 1e-28 * (1.0 + abs(value)):
            break
    else:
        raise ArithmeticError(f"the Gibbs law is not found in {ITERATIONS} Newton steps; raise dynamics.ridge")
    entropy = -beta2 * float(masses @ (features @ g)) - beta2 * float(masses @ confinement)
    entropy -= float(special.logsumexp(base - beta2 * (features @ g)))
    half = loss.value(outputs) + float(masses @ confinement) + entropy / beta2
    return Gibbs(masses, outputs, g, half, value, float(np.max(np.abs(slope))))
