"""The table [dynamics]: the flow, its noise, ridge, penalty, mobilities and schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Kind, Number
from mfpde.keys.reader import DURATION, NON_NEGATIVE_SIZE, Range, TableReader
from mfpde.solvers.flow.confinement import Penalty, Ridge
from mfpde.solvers.flow.flow import Flow, Mobility, Schedule


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
