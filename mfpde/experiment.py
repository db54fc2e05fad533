"""The declared experiment: one frozen dataclass per TOML table, each key declared once. Nothing here computes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mfpde.errors import raise_mistakes
from mfpde.keys.declaration import Checked, checked, is_trusting, key, plain_table
from mfpde.keys.kinds import Choice, Integer, Kind, Number
from mfpde.keys.reader import (
    DURATION,
    NON_NEGATIVE,
    NON_NEGATIVE_SIZE,
    POSITIVE,
    Range,
    TableReader,
    as_number,
    increasing,
    known_name,
)
from mfpde.problem.directions import met
from mfpde.problem.laws.interface import DEFAULT, LAWS, DataLaw
from mfpde.problem.network import Network
from mfpde.problem.points import points_of
from mfpde.schemes.choice import chosen_scheme
from mfpde.schemes.rules import check_together
from mfpde.schemes.solver import Solver
from mfpde.shell.user_files import Use
from mfpde.solvers.flow.confinement import Penalty, Ridge
from mfpde.solvers.flow.flow import BY_LOSS, Flow, Mobility, Schedule
from mfpde.solvers.sgd.devices import DEVICES

if TYPE_CHECKING:
    from mfpde.problem.problem import Problem

STATIONARY_TOLERANCE = 1e-6
UNTIL = ("end", "stationary", "margin")
MAXIMUM_COUNT = 10**9
NEURONS = 800


@dataclass(frozen=True)
class ScheduleKey:
    """xi: a constant, or { scale, power }."""

    @property
    def accepted(self) -> str:
        return f"a number, {DURATION}, or {{ power = p, scale = c }} for xi(t) = c t^p with p > -1"

    def read(self, reader: TableReader, name: str, default: Schedule) -> Schedule:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return Schedule(scale=reader.number(name, default.scale, DURATION, "1.0 or schedule = { power = -0.25 }"))
        table = TableReader(reader.dotted(name), value, ("scale", "power"), reader.errors)
        above = Range(-1.0, 100.0, low_open=True)
        power = table.number("power", default.power, above, "-0.25 (the integral of t^power must be finite)")
        return Schedule(table.number("scale", default.scale, DURATION), power)

    def plain(self, value: Schedule) -> object:
        return value.scale if value.power == 0.0 else {"scale": value.scale, "power": value.power}


@dataclass(frozen=True)
class MobilityGiven:
    """Factors on the velocities of w, a and b; None for those that are left out."""

    w: float | None = None
    a: float | None = None
    b: float | None = None

    @property
    def table(self) -> dict[str, float]:
        """Those that are given."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class MobilityKey(Kind):
    """{ w, a, b }: a number for each that is given."""

    @property
    def accepted(self) -> str:
        return f"{{ w = m, a = m, b = m }}, numbers {NON_NEGATIVE_SIZE}, 1 for what is left out"

    def read(self, reader: TableReader, name: str, default: None) -> MobilityGiven | None:
        if not reader.has(name):
            return default
        table = TableReader(reader.dotted(name), reader.raw(name), ("w", "a", "b"), reader.errors)
        return MobilityGiven(
            *(table.number(each, 1.0, NON_NEGATIVE_SIZE) if table.has(each) else None for each in "wab")
        )

    def plain(self, value: object) -> object:
        return value.table if isinstance(value, MobilityGiven) else value


@dataclass(frozen=True)
class RidgeKey(Kind):
    """lambda: a number, or { w, a, b }."""

    @property
    def accepted(self) -> str:
        return f"a number, {NON_NEGATIVE_SIZE}, or {{ w = l, a = l, b = l }} with 0 for what is left out"

    def read(self, reader: TableReader, name: str, default: float) -> float | Ridge:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return reader.number(name, default, NON_NEGATIVE_SIZE)
        table = TableReader(reader.dotted(name), value, ("w", "a", "b"), reader.errors)
        return Ridge(*(table.number(each, 0.0, NON_NEGATIVE_SIZE) for each in "wab"))

    def plain(self, value: object) -> object:
        return dict(vars(value)) if isinstance(value, Ridge) else value


@dataclass(frozen=True)
class PenaltyKey(Kind):
    """{ power, strength } or { path }."""

    @property
    def accepted(self) -> str:
        return "{ power = p, strength = s } with p > 1, or { path = s }; s a number of at least 0"

    def read(self, reader: TableReader, name: str, default: None) -> Penalty | None:
        if not reader.has(name):
            return default
        table = TableReader(reader.dotted(name), reader.raw(name), ("power", "strength", "path"), reader.errors)
        by_power = table.has("power") or table.has("strength")
        if by_power and table.has("path"):
            table.complain("path", "beside power and strength, it is another penalty", "one of the two")
        elif not (by_power or table.has("path")):
            reader.complain(name, "it says nothing", f"for example {name} = {{ power = 3.0, strength = 0.1 }}")
        elif by_power and not (table.has("power") and table.has("strength")):
            missing = "strength" if table.has("power") else "power"
            table.complain(missing, "missing", f"for example {missing} = {0.1 if missing == 'strength' else 3.0}")
        above = Range(1.0, 100.0, low_open=True)
        power = table.number("power", 2.0, above, "3.0 (a power of 1 has no gradient at 0)")
        return Penalty(power, *(table.number(each, 0.0, NON_NEGATIVE_SIZE) for each in ("strength", "path")))

    def plain(self, value: object) -> object:
        if not isinstance(value, Penalty):
            return value
        return {"path": value.path} if value.path > 0.0 else {"power": value.power, "strength": value.strength}


@dataclass(frozen=True)
class Dynamics(Checked):
    """The flow: alpha = fisher_rao_rate, beta = inverse_temperature, lambda = ridge, xi = schedule."""

    table = "dynamics"

    flow: str = key(
        "wasserstein",
        Choice(("wasserstein", "wasserstein-fisher-rao", "fisher-rao")),
        "whether neurons move, are born and die, or both",
    )
    fisher_rao_rate: float = key(0.0, Number(NON_NEGATIVE_SIZE), "alpha, the rate of birth and death")
    inverse_temperature: float = key(
        math.inf, Number(Range(0.0, low_open=True, infinite=True), "inf (no noise)"), "beta, inf without noise"
    )
    ridge: float | Ridge = key(0.0, RidgeKey(), "lambda of the penalty lambda |theta|^2, or those of w, a and b")
    schedule: Schedule = key(Schedule(), ScheduleKey(), "xi(t), the step-size schedule")
    mobility: MobilityGiven | None = key(
        None, MobilityKey(), "factors m on the velocities of w, a and b as far as they are trained; 0 freezes"
    )

    penalty: Penalty | None = key(
        None, PenaltyKey(), "F += (2 strength / power) ∫|a|^power, or F += 2 path ∫|a| |w|, beside the ridge"
    )
    mass: str = key(
        "probability", Choice(("probability", "free")), "whether the law keeps its mass 1, or grows and shrinks"
    )
    growth: float | None = key(
        None, Number(NON_NEGATIVE_SIZE, fallback=1.0), "kappa, the rate at which free mass does (1 where left out)"
    )

    def settled(self, reader: TableReader) -> Dynamics:
        """A rate where the flow has one."""
        if self.fisher_rao_rate > 0.0 and self.flow == "wasserstein":
            remedy = 'flow = "wasserstein-fisher-rao", or fisher_rao_rate = 0.0'
            reader.complain("fisher_rao_rate", 'unused by flow = "wasserstein"', remedy)
        if not (self.fisher_rao_rate > 0.0 or self.mass == "free" or self.growth) and self.flow == "fisher-rao":
            reader.complain("flow", "nothing moves with fisher_rao_rate = 0", "fisher_rao_rate = 1.0")
        return self

    def growth_of(self, implied: float | None = None) -> float | None:
        """kappa, that which a law implies where none is given; None where mass is kept."""
        if self.mass == "probability" and implied is None:
            return None
        return self.growth if self.growth is not None else 1.0 if implied is None else implied

    @property
    def held(self) -> Flow:
        """Its ridge, noise and penalty alone."""
        return Flow(ridge=self.ridge, inverse_temperature=self.inverse_temperature, penalty=self.penalty or Penalty())

    def as_flow(self, implied: float | None = None) -> Flow:
        """The same as the schemes read it, on a law that implies a growth."""
        return Flow(
            ridge=self.ridge,
            inverse_temperature=self.inverse_temperature,
            fisher_rao_rate=self.fisher_rao_rate,
            transport=self.flow != "fisher-rao",
            schedule=self.schedule,
            penalty=self.penalty or Penalty(),
            mobility=Mobility(**(self.mobility.table if self.mobility else {})),
            growth=self.growth_of(implied),
        )


@dataclass(frozen=True)
class LogSave:
    """t = 0 and then `count` times in geometric progression from `first` to the end."""

    count: int
    first: float


@dataclass(frozen=True)
class SaveTimes:
    """A count, a list of times, or { log = count, first = t }; times lie in [0, end]."""

    @property
    def accepted(self) -> str:
        return "an integer from 2 to 1000000, a list of times, or { log = count, first = t }"

    def read(self, reader: TableReader, name: str, default: int) -> int | tuple[float, ...] | LogSave:
        value, end = reader.raw(name), as_number(reader.raw("end"))
        end = Time.end if end is None or end not in DURATION else end
        if isinstance(value, Mapping):
            table = TableReader(reader.dotted(name), value, ("log", "first"), reader.errors)
            count = table.integer("log", 50, 2, 10**6)
            first = table.number("first", end / 10_000.0, Range(0.0, end, low_open=True, high_open=True))
            return LogSave(count, first)
        if not isinstance(value, list | tuple):
            return reader.integer(name, default, 2, 10**6)
        times = reader.numbers(name, NON_NEGATIVE, "[0.0, 1.0, 10.0]")
        if times is None:
            return default
        if not increasing(times):
            reader.complain(name, "the times must increase strictly", "each time once, in increasing order")
            return default
        if not (times[-1] <= end):
            problem = f"the last time lies beyond time.end = {end:g}"
            reader.complain(name, problem, f"times up to {end:g} or a later end")
        return times

    def plain(self, value: int | tuple[float, ...] | LogSave) -> object:
        if isinstance(value, LogSave):
            return {"log": value.count, "first": value.first}
        return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class StationaryTolerance:
    """A positive number, beside until = "stationary" only."""

    @property
    def accepted(self) -> str:
        return f'a number, {POSITIVE}, beside until = "stationary"'

    def read(self, reader: TableReader, name: str, default: None) -> float | None:
        until = known_name(reader.raw("until"), UNTIL)
        if until == "stationary":
            return reader.number(name, STATIONARY_TOLERANCE, POSITIVE)
        if reader.has(name) and (until in UNTIL or not reader.has("until")):
            reader.complain(
                name, f'unused by until = "{until or "end"}"', 'until = "stationary", or leave stationary_tolerance out'
            )
        return default

    def plain(self, value: float) -> object:
        return value


@dataclass(frozen=True)
class Time(Checked):
    """The interval [0, end] and when to save: a count (equally spaced), a list, or a progression.

    With `until` = "stationary" the run stops before the end once the dissipation D = -dF/ds per unit of flow time
    s = ∫xi falls to `stationary_tolerance`, an absolute number (None: not asked for); the end is then a save time. With
    "margin" it stops at a save time where the normalised margin is positive and moved by less than 1e-3 of it over the
    last tenth of the time.
    """

    table = "time"

    end: float = key(10.0, Number(DURATION), "the time t at which the run ends")
    save: int | tuple[float, ...] | LogSave = key(101, SaveTimes(), "the times at which the law is recorded")
    until: str = key(
        "end",
        Choice(UNTIL),
        "whether the run stops where it has come to rest, or where the normalised margin of classes has",
    )
    clock: str = key(
        "flow", Choice(("flow", BY_LOSS)), "what time counts: flow time, or ds = L dt of a loss that falls for ever"
    )
    stationary_tolerance: float | None = key(
        None, StationaryTolerance(), "the dissipation at which it has (default 1e-06)"
    )

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
        if self.until != "end" and self.save[-1] < self.end:
            return (*self.save, self.end)
        return self.save


@dataclass(frozen=True)
class BatchSchedule:
    """Batches of `sizes`[i] samples from step `steps`[i] on; steps[0] = 0."""

    steps: tuple[int, ...]
    sizes: tuple[int, ...]


LARGEST_BATCH = 10**6


@dataclass(frozen=True)
class BatchKey(Kind):
    """A size, or { steps, sizes }."""

    @property
    def accepted(self) -> str:
        return f"an integer from 1 to {LARGEST_BATCH}, or {{ steps = [0, k, ...], sizes = [n, ...] }}"

    def read(self, reader: TableReader, name: str, default: int) -> int | BatchSchedule:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return reader.integer(name, default, 1, LARGEST_BATCH)
        table = TableReader(reader.dotted(name), value, ("steps", "sizes"), reader.errors)
        steps = table.integers("steps", 0, 10**12, "[0, 100000]") or ()
        sizes = table.integers("sizes", 1, LARGEST_BATCH, "[1, 512]") or ()
        if not steps or steps[0] != 0 or len(steps) != len(sizes) or not increasing(tuple(map(float, steps))):
            reader.complain(
                name, "needs increasing steps from 0 on, a size for each", "{ steps = [0, 100], sizes = [1, 64] }"
            )
            return default
        return BatchSchedule(steps, sizes)

    def plain(self, value: int | BatchSchedule) -> object:
        return {"steps": list(value.steps), "sizes": list(value.sizes)} if isinstance(value, BatchSchedule) else value


@dataclass(frozen=True)
class Sgd(Checked):
    """The stochastic gradient descent run beside the equation."""

    table = "sgd"

    neurons: int = key(None, Integer(1, MAXIMUM_COUNT, NEURONS), f"N; {NEURONS}, or one for each row of initial.points")
    step_size: float = key(2e-4, Number(POSITIVE), "eps")
    replicas: int = key(1, Integer(1, MAXIMUM_COUNT), "independent runs")
    seed: int = key(0, Integer(0, 2**31 - 1), "of all random numbers, those of the scheme particles too")
    batch: int | BatchSchedule = key(1, BatchKey(), "samples averaged in a step")
    sampling: str = key(
        "replacement",
        Choice(("replacement", "epoch", "full")),
        "of a data set: draws with replacement, a permutation each epoch, or every sample in every step",
    )
    state: str = key(
        "weights",
        Choice(("weights", "gram")),
        "all coordinates of every neuron, or those that the neurons span in a block of many more: the same law at a "
        "cost that does not grow with d",
    )
    precision: str = key("float64", Choice(("float64", "float32")), "of the steps; risks are computed in float64")
    device: str = key("cpu", Choice(tuple(DEVICES)), "what makes the steps: this processor, or a graphics processor")

    @property
    def batches(self) -> tuple[tuple[int, int], ...]:
        """Pairs (step, size) of a schedule; none where all batches are alike."""
        held = self.batch
        return tuple(zip(held.steps, held.sizes, strict=True)) if isinstance(held, BatchSchedule) else ()

    @property
    def first_batch(self) -> int:
        """Samples of the first step."""
        return self.batch.sizes[0] if isinstance(self.batch, BatchSchedule) else self.batch

    @property
    def largest_batch(self) -> int:
        """Samples of a step at most."""
        return max(self.batch.sizes) if isinstance(self.batch, BatchSchedule) else self.batch


def _default_law() -> DataLaw:
    return LAWS[DEFAULT]()


@dataclass(frozen=True)
class Experiment:
    """Everything a run is determined by; one that exists holds to the rules of its tables and those between them.

    Attributes:
        data: the data law, with its options.
        initial: the law's own options of [initial]; its defaults where None.
        solver: the scheme and its options; the scheme is chosen from the problem where none is named.
        problem: made in Python in place of data, network, initial and dynamics; None for one that is declared.
        uses: the users' files whose registrations it needs.

    Raises:
        ConfigurationError: naming every mistake.
    """

    data: DataLaw = field(default_factory=_default_law)
    network: Network = field(default_factory=Network)
    initial: Any = None
    dynamics: Dynamics = field(default_factory=Dynamics)
    time: Time = field(default_factory=Time)
    solver: Solver = field(default_factory=Solver)
    sgd: Sgd = field(default_factory=Sgd)
    problem: Problem | None = None
    uses: tuple[Use, ...] = ()

    def __post_init__(self) -> None:
        errors = [] if is_trusting() else self._foreign_parts()
        raise_mistakes(errors)
        if self.initial is None:
            object.__setattr__(self, "initial", self.data.Initial())
        if not is_trusting():
            # a user's own options of [initial], and laws that take over __post_init__, do not check themselves
            for name, part in (("data", self.data), ("initial", self.initial)):
                checked(part, name, errors)
            errors += [] if self.problem is not None else self._unused()
        raise_mistakes(errors)
        if self.sgd.neurons is None:
            points = points_of(self.initial)
            neurons = NEURONS if points is None else max(1, len(points.rows))
            object.__setattr__(self, "sgd", replace(self.sgd, neurons=neurons))
        if self.solver.scheme is None or self.solver.choice is not None:
            scheme, why = chosen_scheme(self)
            object.__setattr__(self, "solver", replace(self.solver, scheme=scheme, chosen=(scheme, why)))
        if not is_trusting():
            check_together(self, errors)
        raise_mistakes(errors)

    @property
    def law(self) -> DataLaw:
        """The data law as the network meets it."""
        return met(self.data, self.network)

    def _foreign_parts(self) -> list[str]:
        """What is no table of the kind that stands in its place."""
        kinds: dict[str, type[Any]] = {
            "data": DataLaw,
            "network": Network,
            "dynamics": Dynamics,
            "time": Time,
            "solver": Solver,
            "sgd": Sgd,
        }
        if self.initial is not None:
            kinds["initial"] = getattr(self.data, "Initial", object)
        return [
            f"{name}: is {type(getattr(self, name)).__name__}; write {kind.__name__}(...)"
            for name, kind in kinds.items()
            if not isinstance(getattr(self, name), kind)
        ]

    def _unused(self) -> list[str]:
        """Keys of [network] that are given to a law that does not take them."""
        law, network = self.data, plain_table(self.network)
        given = [name for name, value in plain_table(Network()).items() if network[name] != value]
        return [
            f'network.{name}: unused by data.law = "{law.name}"; leave it out'
            for name in given
            if name not in law.network_keys
        ]
