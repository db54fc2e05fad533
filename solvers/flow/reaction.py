"""Birth and death of weighted points: two steps of the flow of masses, each by a concave dual in M unknowns.

With G = Psi_lambda + log(m/w) / (2 beta), Psi_lambda = grad L(Phi m) . Phi + lambda |z|^2 / 2, the masses follow

    dm_i/ds = -alpha (G_i - G_bar) m_i,        G_bar = sum_i G_i m_i.

Both steps below end at masses m_g ∝ nu exp(-(g . Phi + V) / kappa), V = lambda |z|^2 / 2, for a known nu and kappa and
the g that maximises the smooth, strictly concave

    D(g) = -L'*(g) - kappa log sum_i nu_i exp(-(g . Phi_i + V_i) / kappa),
    grad D = Phi m_g - grad L'*(g),        Hess D = -Hess L'*(g) - Cov_{m_g}(Phi) / kappa

for a convex L' of the outputs (L, or its chord).

Where the mass is free (alpha is then kappa) G_bar is 0, nothing is normalised, and

    D(g) = -L'*(g) - kappa sum_i nu_i (exp(-(g . Phi_i + V_i) / kappa) - 1),
    Hess D = -Hess L'*(g) - ∫Phi Phi^T dm_g / kappa.

Newton's equations are solved by conjugate gradients, so that the points are touched only through m -> Phi m and
g -> g . Phi. Everything is done with logarithms: a mass may underflow, and one that is 0 stays 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..objective.losses.interface import Loss
from ..objective.objective import Objective

NEWTON_STEPS = 40
LEVELS = 60  # doublings of kappa on the way to a problem that Newton's method solves at once
TOLERANCE = 1e-14  # of the outputs, relative to what they and the targets weigh
STALLED = 1e-9  # relative residual above which an iteration that no longer improves has failed
WORST_ROUNDING = 1e-7  # the largest residual that rounding excuses
SLACK = 1e-13  # rounding of the dual's value, which adds kappa times a logarithm
TANGENT_ACCURACY = 1e-6
LEAST_REACH = 1e-200  # alpha tau below which nothing changes
SHORTEST = 1e-6  # length of a Newton step below which another start is better
LEAST_GAIN = 0.25  # share of the predicted gain that a step must bring
LARGEST_LOG = 60.0  # of a mass that is free: beyond, a trial is so far off that it only has to be worse


@dataclass(frozen=True)
class Reaction:
    """What the steps need to know of the points.

    Attributes:
        objective: the loss; its features are not evaluated here.
        potential: g, shape (M,), -> g . Phi at the points, shape (n,).
        outputs: m, shape (n,), -> Phi m, shape (M,).
        rate: alpha > 0, or kappa.
        confinement: V at the points, shape (n,); None without one.
        inverse_temperature: beta, inf without noise.
        log_measure: log w, shape (n,), with noise.
        free: whether the mass is.
    """

    objective: Objective
    potential: Callable[[Array], Array]
    outputs: Callable[[Array], Array]
    rate: float
    confinement: Array | None = None
    inverse_temperature: float = math.inf
    log_measure: Array | None = None
    free: bool = False

    def psi(self, gradient: Array) -> Array:
        """Psi_lambda at the points for the gradient of the loss, shape (n,)."""
        psi = self.potential(gradient)
        return psi if self.confinement is None else psi + self.confinement

    def variance(self, masses: Array, psi: Array) -> float:
        """Var_m G over the points that carry mass, ∫G^2 dm where it is free: alpha times it is half the rate at which F
        falls.
        """
        potential = psi
        if self.log_measure is not None:
            held = masses > 0.0
            masses, potential = masses[held], psi[held]
            potential = potential + (np.log(masses) - self.log_measure[held]) / (2.0 * self.inverse_temperature)
        if not self.free:
            potential = potential - float(masses @ potential) / float(masses.sum())
        return float(masses @ (potential * potential))

    def image(self, reference: Array, exponent: Array) -> tuple[Array, float]:
        """Masses in proportion to exp(reference + exponent), and the logarithm of the sum.

        Where the mass is free the masses are these, and the number what they are more than exp(reference).
        """
        if not self.free:
            return _normalised(reference + exponent)
        before, after = np.exp(reference), np.exp(np.minimum(reference + exponent, LARGEST_LOG))
        # small changes without cancellation
        gained = np.where(exponent < 1.0, before * np.expm1(np.minimum(exponent, 1.0)), after - before)
        return after, float(gained.sum())

    def centred(self, values: Array, mean: float) -> Array:
        """Values less their mean, which does not count where the mass is free."""
        return values if self.free else values - mean


@dataclass(frozen=True)
class ReactionStep:
    """Where a step ends.

    Attributes:
        masses: shape (n,), of sum 1 unless it is free.
        outputs: Phi m of them, shape (M,).
        gradient: g, at which the potential of the step was taken, shape (M,).
        gap: primal minus dual value of the step's minimisation, >= 0; for the midpoint step of its dual's conjugate.
        dissipated: 2 alpha ∫Var_m G ds over the step by Simpson's rule (NaN from `kl_step`).
    """

    masses: Array
    outputs: Array
    gradient: Array
    gap: float
    dissipated: float = math.nan


def kl_step(reaction: Reaction, masses: Array, step: float, start: Array | None = None) -> ReactionStep:
    """The minimising movement argmin_mu F(mu)/2 + KL(mu | m) / (alpha tau), of order 1 in tau.

    With a = alpha tau / (2 beta) (0 without noise) the minimiser is mu ∝ nu exp(-(g . Phi + V) / kappa) with nu =
    m^(1/(1+a)) w^(a/(1+a)), kappa = (1 + a) / (alpha tau) and L' = L. By definition F falls, by at least 2 KL(mu | m) /
    (alpha tau). Where the mass is free KL(mu | m) = sum mu log(mu/m) - mu + m. The gap is found without cancellation:
    the entropy leaves none, and that of the loss, L(Phi mu) + L*(g) - g . Phi mu, is `Loss.divergence`.

    Args:
        reaction: the points.
        masses: m, shape (n,), of sum 1 unless it is free.
        step: tau > 0.
        start: first g; by default the gradient of the loss at m.

    Raises:
        ArithmeticError: the maximum is not found, or a value is not finite.
    """
    share = reaction.rate * step / (2.0 * reaction.inverse_temperature)
    reference = _log(masses) / (1.0 + share)
    if reaction.log_measure is not None:
        reference = reference + reaction.log_measure * (share / (1.0 + share))
    loss = reaction.objective.loss
    first = loss.gradient(reaction.outputs(masses)) if start is None else start
    kappa = (1.0 + share) / max(reaction.rate * step, LEAST_REACH)
    return _Dual(reaction, reference, kappa, loss).maximum(first)


def midpoint_step(reaction: Reaction, masses: Array, outputs: Array, step: float) -> ReactionStep:
    """The step of order 2: Psi is frozen at grad L averaged from Phi m to Phi m', and the flow then solved exactly.

    For a frozen Psi, u = log(m/w) obeys du/ds = -alpha (Psi_lambda + u / (2 beta)) + const, so that with
    b = alpha tau / (2 beta)

        log m'/w = e^-b log m/w - theta Psi_lambda + const,        theta = alpha tau (1 - e^-b) / b.

    The condition on g is grad D = 0 with nu = w (m/w)^(e^-b), kappa = 1 / theta and L' the chord of L from Phi m: it
    has one solution whatever the step. L(Phi m') - L(Phi m) = g . (Phi m' - Phi m), so that F(m') - F(m) equals the
    change of 2 sum_i m_i (Psi_lambda,i + log(m_i/w_i) / (2 beta)) at the frozen Psi, which the exact flow decreases at
    the rate 2 alpha Var_m G: F falls for every step size. (For the square loss grad L is that of the mean outputs.)

    Args:
        reaction: the points.
        masses: m, shape (n,), of sum 1 unless it is free.
        outputs: Phi m, shape (M,).
        step: tau > 0.

    Raises:
        ArithmeticError: the maximum is not found, or a value is not finite.
    """
    loss, logarithm = reaction.objective.loss, _log(masses)
    reference, reach = _relaxed(reaction, logarithm, step)
    dual = _Dual(reaction, reference, 1.0 / max(reach, LEAST_REACH), loss.chord(outputs))
    found = dual.maximum(loss.gradient(outputs))
    psi = reaction.psi(found.gradient)
    half, half_reach = _relaxed(reaction, logarithm, 0.5 * step)
    middle = reaction.image(half, -half_reach * psi)[0]
    rates = [reaction.variance(law, psi) for law in (masses, middle, found.masses)]
    dissipated = 2.0 * reaction.rate * step * (rates[0] + 4.0 * rates[1] + rates[2]) / 6.0
    return ReactionStep(found.masses, found.outputs, found.gradient, found.gap, dissipated)


@dataclass(frozen=True)
class _Dual:
    """D(g) of the module's docstring: log nu, kappa and L'."""

    reaction: Reaction
    reference: Array
    kappa: float
    loss: Loss

    def law(self, g: Array) -> tuple[float, Array, Array, Array]:
        """D(g), grad D, the masses m_g and their outputs."""
        masses, gained = self.reaction.image(self.reference, -self.reaction.psi(g) / self.kappa)
        outputs = self.reaction.outputs(masses)
        value = -self.loss.conjugate(g) - self.kappa * gained
        return value, self.loss.mismatch(outputs, g), masses, outputs

    def maximum(self, g: Array, levels: int = LEVELS) -> ReactionStep:
        """Newton's method from a first g; where that fails, from the maximum for twice the kappa."""
        found, residual = self._climbed(g)
        if not (residual <= STALLED) and levels > 0:
            easier = replace(self, kappa=2.0 * self.kappa)
            found, residual = self._climbed(easier._continued(easier.maximum(g, levels - 1), self.kappa))
        if not (residual <= max(STALLED, self._rounding(found))):
            raise ArithmeticError(
                f"the reaction's dual is not maximised, a residual of {residual:.3g} is left; take a smaller step"
            )
        return found

    def _rounding(self, found: ReactionStep) -> float:
        """The relative error of masses that are exponentials of -Psi / kappa, where kappa is far below Psi."""
        psi = np.abs(self.reaction.psi(found.gradient)[found.masses > 0.0])
        return min(np.finfo(float).eps * float(psi.max(initial=0.0)) / self.kappa, WORST_ROUNDING)

    def _continued(self, found: ReactionStep, kappa: float) -> Array:
        """g at the maximum for another kappa, along the tangent: (d/dkappa) Phi m_g = Cov(Phi, Psi) / kappa^2."""
        psi = self.reaction.psi(found.gradient)
        turned = self.reaction.outputs(found.masses * self.reaction.centred(psi, float(found.masses @ psi)))
        change = self._newton(found.gradient, found.masses, found.outputs, turned / self.kappa**2, TANGENT_ACCURACY)
        return found.gradient + (kappa - self.kappa) * change

    def _climbed(self, g: Array) -> tuple[ReactionStep, float]:
        """Where damped Newton steps from g end, and |grad D| there relative to what it adds up."""
        value, slope, masses, outputs = self.law(g)
        for _ in range(NEWTON_STEPS):
            # free masses may be huge at a first g
            residual, scale = self._norm(slope), math.sqrt(self.loss.scale) + self._norm(outputs)
            if residual <= TOLERANCE * scale:
                break
            direction = self._newton(g, masses, outputs, slope, min(0.1, residual / scale))
            gain = float(slope @ direction)
            slack = SLACK * (1.0 + abs(value) + self.kappa)
            length, trial = 1.0, self.law(g + direction)
            while not (
                self._norm(trial[1]) <= 0.5 * residual or trial[0] >= value + LEAST_GAIN * length * gain - slack
            ):
                length *= 0.5
                if not (length > SHORTEST):
                    break
                trial = self.law(g + length * direction)
            if residual <= STALLED * scale and not (self._norm(trial[1]) <= 0.5 * residual):
                break  # rounding: the better of the two stays
            g = g + length * direction
            value, slope, masses, outputs = trial
        residual, scale = self._norm(slope), math.sqrt(self.loss.scale) + self._norm(outputs)
        gap = self.loss.divergence(self.loss.conjugate_gradient(g), slope)
        return ReactionStep(masses, outputs, g, gap), residual / scale if scale > 0.0 else 0.0

    def _norm(self, outputs: Array) -> float:
        return math.sqrt(float(self.loss.metric @ (outputs * outputs)))

    def _newton(self, g: Array, masses: Array, outputs: Array, slope: Array, accuracy: float) -> Array:
        """-(Hess D)^-1 slope by conjugate gradients in the variables S^-1 g, S S^T = Hess L'."""
        root = self.loss.hessian(self.loss.conjugate_gradient(g)).root()
        residual = root.T @ slope
        solution, direction = np.zeros_like(slope), residual
        square = float(residual @ residual)
        enough = accuracy * accuracy * square
        for _ in range(2 * len(slope) + 10 if square > 0.0 else 0):
            along = root @ direction
            psi = self.reaction.potential(along)
            spread = self.reaction.outputs(masses * self.reaction.centred(psi, float(along @ outputs)))
            image = direction + root.T @ spread / self.kappa
            size = square / float(direction @ image)
            solution = solution + size * direction
            residual = residual - size * image
            before, square = square, float(residual @ residual)
            if not (square > enough):
                break
            direction = residual + (square / before) * direction
        return root @ solution


def _relaxed(reaction: Reaction, log_masses: Array, step: float) -> tuple[Array, float]:
    """log nu = log w + e^-b log(m/w) and theta of `midpoint_step`."""
    share = reaction.rate * step / (2.0 * reaction.inverse_temperature)
    if reaction.log_measure is None or share == 0.0:
        return log_masses, reaction.rate * step
    kept = math.exp(-share)
    reach = -2.0 * reaction.inverse_temperature * math.expm1(-share)
    reference = np.full(log_masses.shape, -np.inf)
    held = np.isfinite(log_masses)  # 0 stays 0 even where e^-b underflows
    reference[held] = kept * log_masses[held] + (1.0 - kept) * reaction.log_measure[held]
    return reference, reach


def _log(masses: Array) -> Array:
    """log m, -inf where m = 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(masses))


def _normalised(exponent: Array) -> tuple[Array, float]:
    """exp(exponent) / sum, and the logarithm of the sum."""
    top = float(exponent.max())
    if not math.isfinite(top):
        raise ArithmeticError(f"the reaction meets a weight whose logarithm is {top}; take a smaller step")
    masses = np.exp(exponent - top)
    total = float(masses.sum())
    return masses / total, top + math.log(total)
