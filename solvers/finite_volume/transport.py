"""How finite volumes carry mass for one step: Heun's explicit step without noise, an implicit one with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array
from .cell_features import CellFeatures
from .diffusion import Diffusion
from .options import FiniteVolumeOptions

RATE_SLACK = 1.1  # velocities may grow this much within a step before it is repeated
MIDPOINT_ROUNDS = 12  # fixed-point rounds for the midpoint potential before a step is halved
FROZEN_FROM = 2  # rounds that measure the mean densities anew; later ones keep them, so that the rounds converge
MIDPOINT_TOLERANCE = 1e-11  # of the outputs
LONG = 1e6  # step in which the fluxes outweigh the law itself, so that its outputs do not round them away


@dataclass(frozen=True)
class Move:
    """A step tried.

    Attributes:
        mass, outputs: where it ends.
        dissipated: ∫D over it, D = -dF/ds.
        errors: pairs of an estimate of the step's error and its bound.
        longest: the step that the velocities allow.
        growth: largest ratio of the next step to this one.
    """

    mass: Array
    outputs: Array
    dissipated: float
    errors: tuple[tuple[float, float], ...]
    longest: float = np.inf
    growth: float = np.inf

    def too_long(self, step: float) -> bool:
        """Whether the velocities rule the step out: it was then given up before its end."""
        return bool(np.isfinite(self.longest)) and not (step <= RATE_SLACK * self.longest)

    @property
    def close(self) -> bool:
        """Whether every error is within its bound."""
        return all(error <= bound for error, bound in self.errors)

    def by_errors(self, step: float) -> float:
        """The step whose errors, of order 2, would be half their bounds."""
        return min((step * np.sqrt(0.5 * bound / error) for error, bound in self.errors if error > 0.0), default=np.inf)


class Transport(Protocol):
    """The part of the flow that carries mass, one step at a time."""

    shortest: float  # share of the planned step below which halving it is given up

    def first_step(self, mass: Array, outputs: Array) -> float:
        """A step to begin with, inf where nothing moves."""
        ...

    def step(self, mass: Array, outputs: Array, step: float) -> Move:
        """The step of the given length from a law and its outputs."""
        ...

    def dissipation(self, mass: Array, outputs: Array) -> float:
        """D of the scheme's own fluxes at a law, >= 0."""
        ...


class HeunTransport:
    """Without noise: Heun's step, the mean of the law and of two Euler steps from it.

    The fluxes of a law dissipate D = 2 sum over faces of flux * (Psi_a - Psi_b) = -2 sum_i Psi_i dm_i/ds, that is
    -2 grad L(outputs) . d(outputs)/ds, by what the sweeps report anyway. ∫D is Heun's too, the mean of the two stages,
    so that F(s) - F(0) + ∫D is an error of order 2 in time alone.
    """

    shortest = 1e-6  # no falling energy needs less

    def __init__(self, cells: CellFeatures, options: FiniteVolumeOptions) -> None:
        self._cells = cells
        self._options = options

    def first_step(self, mass: Array, outputs: Array) -> float:
        _, rate = self._cells.sweep(mass, mass, 0.0, 0.0, self._cells.gradient(outputs), np.empty_like(mass), True)
        return self._longest(rate)

    def step(self, mass: Array, outputs: Array, step: float) -> Move:
        cells, gradient = self._cells, self._cells.gradient(outputs)
        first, second = np.empty_like(mass), np.empty_like(mass)
        middle, rate = cells.sweep(mass, mass, 0.0, step, gradient, first, True)
        # The rate is known only after the sweep: a step past the bound is repeated, one within it stands.
        begun = Move(first, middle, np.nan, ((np.inf, 0.0),), self._longest(rate))
        if begun.too_long(step) or not np.isfinite(middle).all():
            return begun
        turned = cells.gradient(middle)
        final, _ = cells.sweep(first, mass, 0.5, step, turned, second)
        dissipated = np.nan
        if np.isfinite(final).all():
            # step * d(outputs)/ds is middle - outputs in the first stage, 2 final - outputs - middle in the second
            dissipated = -float(gradient @ (middle - outputs)) - float(turned @ (2.0 * final - outputs - middle))
        errors = ((cells.distance(final, middle), self._options.tolerance),)
        return Move(second, final, dissipated, errors, begun.longest, self._options.growth)

    def dissipation(self, mass: Array, outputs: Array) -> float:
        gradient, moved = self._cells.gradient(outputs), np.empty_like(mass)
        after, _ = self._cells.sweep(mass, mass, 0.0, LONG, gradient, moved, limited=False)
        return -2.0 * float(gradient @ (after - outputs)) / LONG

    def _longest(self, rate: float) -> float:
        """Longest step at a largest rate |v| / width of the cells that hold mass."""
        return self._options.courant / (self._cells.faces * rate) if rate > 0.0 else np.inf


class NoisyTransport:
    """With noise: the implicit step of `Diffusion` at the mean potential on the way of the outputs.

    With Psi and the law both taken halfway, ∫D = -2 sum_i G_i (m_i' - m_i), G = Psi + log((m + m') / (2 w)) / (2 beta):
    of order 2, by the masses that crossed the faces. Its part in Psi is the change of 2 L itself (`Loss.chord`). A cell
    that was empty counts with half of what it received, where the slope of log m would be infinite.
    """

    shortest = 1e-12

    def __init__(self, cells: CellFeatures, diffusion: Diffusion, options: FiniteVolumeOptions) -> None:
        self._cells = cells
        self._diffusion = diffusion
        self._options = options

    def first_step(self, mass: Array, outputs: Array) -> float:
        psi = self._cells.potential(self._cells.gradient(outputs))
        stiffness = self._diffusion.stiffness(self._diffusion.rates(psi, self._diffusion.factors(psi, mass)))
        return 1.0 / stiffness if stiffness > 0.0 else np.inf

    def step(self, mass: Array, outputs: Array, step: float) -> Move:
        """The midpoint potential is found by fixed-point rounds; more than `MIDPOINT_ROUNDS` did not settle."""
        final, after = mass, outputs
        factors: list[Array] = []
        for rounds in range(1, MIDPOINT_ROUNDS + 2):
            before = after
            psi = self._cells.potential(self._cells.mean_gradient(outputs, after))
            if rounds <= FROZEN_FROM:
                factors = self._diffusion.factors(psi, mass, final)
            final, euler = self._diffusion.extrapolated(mass, self._diffusion.rates(psi, factors), step)
            after = self._cells.outputs(final)
            gap = self._cells.distance(after, before)
            if not np.isfinite(gap) or (gap <= MIDPOINT_TOLERANCE and rounds > FROZEN_FROM):
                break
        dissipated, error = self._diffusion.changes(mass, final, euler, psi) if np.isfinite(gap) else (np.nan, np.inf)
        errors = ((error if rounds <= MIDPOINT_ROUNDS else np.inf, self._options.noisy_tolerance),)
        growth = self._options.growth if rounds < MIDPOINT_ROUNDS - 3 else 1.0
        return Move(final, after, dissipated, errors, growth=growth)

    def dissipation(self, mass: Array, outputs: Array) -> float:
        psi = self._cells.potential(self._cells.gradient(outputs))
        return self._diffusion.dissipation(mass, psi)


class NoTransport:
    """The pure Fisher-Rao flow: nothing moves."""

    shortest = 1e-12

    def first_step(self, mass: Array, outputs: Array) -> float:
        return np.inf

    def step(self, mass: Array, outputs: Array, step: float) -> Move:
        return Move(mass, outputs, 0.0, ())

    def dissipation(self, mass: Array, outputs: Array) -> float:
        return 0.0
