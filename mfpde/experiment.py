"""The declared experiment: one frozen dataclass per TOML table. Nothing here reads or computes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mfpde.solvers.flow.flow import Schedule

DATA_LAWS = ("gaussian-mixture", "gaussian-bumps")
ACTIVATIONS = ("truncated-relu", "relu", "sigmoid", "tanh", "erf")
MAXIMUM_DIMENSION = 100_000
STATIONARY_TOLERANCE = 1e-6
# Below it the adaptive parts would chase the rounding of double precision.
MINIMUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class PiecewiseLinear:
    """sigma linear between `knots` (increasing) with these `values`, constant outside."""

    knots: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Normal:
    """The law N(mean, std^2) of an offset or a coefficient."""

    mean: float
    std: float


@dataclass(frozen=True)
class UniformRadius:
    """|w| uniform on [low, high]."""

    low: float
    high: float


@dataclass(frozen=True)
class UniformPosition:
    """A location uniform on [low, high]."""

    low: float
    high: float


@dataclass(frozen=True)
class TableRadius:
    """|w| with a density linear between `radii` (increasing), proportional to `densities`, zero outside."""

    radii: tuple[float, ...]
    densities: tuple[float, ...]


@dataclass(frozen=True)
class Data:
    """The data law: a centred Gaussian mixture with isotropic blocks, or a sum of Gaussian bumps on the line.

    Attributes:
        law: "gaussian-mixture" or "gaussian-bumps".
        delta: scales 1 + delta (y = +1) and 1 - delta (y = -1) on the first block, 1 on the others;
            None with `scales`.
        scales: per block the pair (s_plus, s_minus); None with `delta`.
        dims: block dimensions p_j, None in the limit d -> infinity (`dims = "infinite"`).
        fractions: p_j / d in that limit, None at finite d.
        centres, weights, width: m_k, w_k and s of the target sum_k w_k N(x; m_k, s^2) of "gaussian-bumps", which the
            units N(x; z, s^2) fit; None for a mixture, as the others are None for bumps.
    """

    law: str = "gaussian-mixture"
    delta: float | None = 0.8
    scales: tuple[tuple[float, float], ...] | None = None
    dims: tuple[int, ...] | None = (60, 260)
    fractions: tuple[float, ...] | None = None
    centres: tuple[float, ...] | None = None
    weights: tuple[float, ...] | None = None
    width: float | None = None

    @property
    def infinite(self) -> bool:
        """Whether d = infinity."""
        return self.fractions is not None

    @property
    def blocks(self) -> int:
        """B, the number of isotropic blocks."""
        return len(self.dims or self.fractions or ())

    @property
    def dimension(self) -> float:
        """d, math.inf in the limit."""
        return math.inf if self.infinite else float(sum(self.dims or ()))

    @property
    def block_scales(self) -> tuple[tuple[float, float], ...]:
        """(s_plus, s_minus) of every block, whichever way they were given."""
        if self.scales is not None:
            return self.scales
        delta = 0.0 if self.delta is None else self.delta
        return ((1.0 + delta, 1.0 - delta), *[(1.0, 1.0)] * (self.blocks - 1))


@dataclass(frozen=True)
class Network:
    """The network: its activation and which parameters besides w it has ("none", "fixed" or "trained")."""

    activation: str | PiecewiseLinear = "truncated-relu"
    coefficients: str = "fixed"
    offsets: str = "none"


@dataclass(frozen=True)
class Initial:
    """The law of a neuron at t = 0.

    Attributes:
        kappa: w ~ N(0, kappa^2 Id / d); None with `radius` or `position`.
        radius: the law of |w|, w = |w| Unif(S^(d-1)); None with `kappa`.
        a: coefficient, a constant or a normal law.
        b: offset, likewise.
        position: the law of the location z of a bump; None for a mixture.
    """

    kappa: float | None = 0.8
    radius: UniformRadius | TableRadius | None = None
    a: float | Normal = 1.0
    b: float | Normal = 0.0
    position: Normal | UniformPosition | None = None


@dataclass(frozen=True)
class Dynamics:
    """The flow: alpha = fisher_rao_rate, beta = inverse_temperature, lambda = ridge, xi = schedule."""

    flow: str = "wasserstein"
    fisher_rao_rate: float = 0.0
    inverse_temperature: float = math.inf
    ridge: float = 0.0
    schedule: Schedule = Schedule()


@dataclass(frozen=True)
class LogSave:
    """t = 0 and then `count` times in geometric progression from `first` to the end."""

    count: int
    first: float


@dataclass(frozen=True)
class Time:
    """The interval [0, end] and when to save: a count (equally spaced), a list, or a progression.

    With `until` = "stationary" the run stops before the end once the dissipation D = -dF/ds per unit of flow time
    s = ∫xi falls to `stationary_tolerance`, an absolute number (None: not asked for); the end is then a save time.
    """

    end: float = 10.0
    save: int | tuple[float, ...] | LogSave = 101
    until: str = "end"
    stationary_tolerance: float | None = None

    @property
    def save_times(self) -> tuple[float, ...]:
        """The increasing times at which the law is recorded."""
        if isinstance(self.save, int):
            last = self.save - 1
            return (*(self.end * (index / last) for index in range(last)), self.end)
        if isinstance(self.save, LogSave):
            last, first = self.save.count - 1, self.save.first
            inner = (first * (self.end / first) ** (index / last) for index in range(last))
            return (0.0, *inner, self.end)
        if self.until == "stationary" and self.save[-1] < self.end:
            return (*self.save, self.end)
        return self.save


@dataclass(frozen=True)
class Solver:
    """The scheme and its options; None means chosen from the problem.

    Attributes:
        scheme: "finite-volume", "characteristics", "jko" or "particles" (whose random numbers are those of sgd.seed).
        tolerance: target error of the adaptive parts (objective, grid guide, time step).
        cells: cells per reduced coordinate; one number stands for all.
        order: 1 or 2, order of the finite-volume reconstruction and time step.
        step: largest time step.
        courant: largest part of a cell's mass that may leave it in one step.
        atoms: atoms per reduced coordinate of rho_0; one number stands for all. Of "particles" their number N.
    """

    scheme: str = "finite-volume"
    tolerance: float = 1e-6
    cells: tuple[int, ...] | None = None
    order: int | None = None
    step: float | None = None
    courant: float | None = None
    atoms: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Sgd:
    """The stochastic gradient descent run beside the equation.

    Attributes:
        neurons, step_size, replicas, seed: N, eps, runs, and the seed of all of them.
        batch: samples averaged in a step.
        state: "weights", all coordinates of every neuron; "gram", those that the neurons span in a block of many more:
            the same law at a cost that does not grow with d.
        precision: "float64" or "float32", of the steps; risks are computed in float64.
    """

    neurons: int = 800
    step_size: float = 2e-4
    replicas: int = 1
    seed: int = 0
    batch: int = 1
    state: str = "weights"
    precision: str = "float64"


@dataclass(frozen=True)
class Experiment:
    """Everything a run is determined by."""

    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    initial: Initial = field(default_factory=Initial)
    dynamics: Dynamics = field(default_factory=Dynamics)
    time: Time = field(default_factory=Time)
    solver: Solver = field(default_factory=Solver)
    sgd: Sgd = field(default_factory=Sgd)
