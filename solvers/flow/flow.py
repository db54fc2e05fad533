"""The gradient flow: which terms act besides the risk, and the clock of its step-size schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..arrays import Array
from ..space.geometry import Geometry
from .confinement import NO_PENALTY, Confinement, Penalty, Ridge, confinement_on

BY_LOSS = "loss"
"""The clock ds = L dt, in which the flow of L is that of log L."""


@dataclass(frozen=True)
class Schedule:
    """Step-size schedule xi(t) = scale * t^power; the flow runs in flow time s = ∫_0^t xi, where it is autonomous.

    Attributes:
        scale: positive factor.
        power: exponent, > -1 so that ∫xi is finite.
    """

    scale: float = 1.0
    power: float = 0.0

    def flow_time(self, time: float) -> float:
        """s = ∫_0^t xi."""
        return self.scale * math.pow(time, self.power + 1.0) / (self.power + 1.0)

    def rate(self, time: float) -> float:
        """xi(t), math.inf at t = 0 where the power is negative."""
        if time == 0.0 and self.power < 0.0:
            return math.inf
        return self.scale * math.pow(time, self.power)

    def time(self, flow_time: float) -> float:
        """The t at which ∫_0^t xi = s."""
        return math.pow((self.power + 1.0) * flow_time / self.scale, 1.0 / (self.power + 1.0))


@dataclass(frozen=True)
class Mobility:
    """Factors on the velocity of w, a and b: the metric is dw^2 / m_w + da^2 / m_a + db^2 / m_b, 0 freezes."""

    w: float = 1.0
    a: float = 1.0
    b: float = 1.0

    @property
    def even(self) -> bool:
        """Whether what moves does so alike, by the factor 1."""
        return {self.w, self.a, self.b} <= {0.0, 1.0}


@dataclass(frozen=True)
class Flow:
    """Gradient flow of (1/2) F, F = R + 2 ∫V drho + (1/inverse_temperature) ∫rho log rho.

    Attributes:
        ridge: lambda >= 0 of V = lambda |z|^2 / 2, or those of w, a and b; the potential is Psi + V.
        inverse_temperature: beta, inf without noise.
        fisher_rao_rate: alpha >= 0, the rate of birth and death.
        transport: whether mass moves (false for the pure Fisher-Rao flow).
        schedule: xi(t).
        mobility: of w, a and b: dF/ds = -2 sum_i m_i ∫|d_i G|^2 drho, and noise of variance m_i / beta per time.
        penalty: what coefficients add to V.
        scale: alpha of the outputs, whose flow is slower by alpha^2: the schedule holds xi/alpha^2.
        growth: kappa >= 0 where the mass is free: d_s nu = div(nu grad G) - kappa G nu, in place of alpha (G - G_bar).
            None where nu stays a probability law.

    Raises:
        ValueError: free mass together with fisher_rao_rate, or with noise.
    """

    ridge: float | Ridge = 0.0
    inverse_temperature: float = math.inf
    fisher_rao_rate: float = 0.0
    transport: bool = True
    schedule: Schedule = Schedule()
    mobility: Mobility = Mobility()
    penalty: Penalty = NO_PENALTY
    scale: float = 1.0
    growth: float | None = None

    def __post_init__(self) -> None:
        if self.growth is None:
            return
        if not (0.0 <= self.growth < math.inf and self.fisher_rao_rate == 0.0):
            raise ValueError("free mass needs a finite growth >= 0, in place of fisher_rao_rate, which must be 0")
        if math.isfinite(self.inverse_temperature):
            raise ValueError("noise on laws of free mass is not defined here: write inverse_temperature = inf")

    @property
    def free(self) -> bool:
        """Whether the mass is free."""
        return self.growth is not None

    @property
    def rate(self) -> float:
        """The rate at which masses react: alpha, or kappa."""
        return self.fisher_rao_rate if self.growth is None else self.growth

    @property
    def reacts(self) -> bool:
        """Whether masses change, or are other than those of a probability law."""
        return self.free or self.fisher_rao_rate > 0.0

    def excess(self, potential: Array, masses: Array) -> Array:
        """What masses shrink by per rate: G - G_bar, or G where the mass is free, shape (n,)."""
        return potential if self.free else potential - masses @ potential

    @property
    def confines(self) -> bool:
        """Whether there is a ridge or a penalty."""
        return self.decay.largest > 0.0 or self.penalty.acts

    @property
    def decay(self) -> Ridge:
        """lambda of w, a and b."""
        return self.ridge if isinstance(self.ridge, Ridge) else Ridge(self.ridge, self.ridge, self.ridge)

    def confinement(self, geometry: Geometry) -> Confinement:
        """V on the reduced coordinates."""
        return confinement_on(geometry, self.decay, self.penalty)

    def at_scale(self, scale: float) -> Flow:
        """The flow of the same neurons whose outputs have this scale."""
        slower = replace(self.schedule, scale=self.schedule.scale * (self.scale / scale) ** 2)
        return self if scale == self.scale else replace(self, schedule=slower, scale=scale)
