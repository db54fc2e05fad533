"""The key that holds the law of one number: a coefficient, an offset, a radius, a place.

A user's own law is a class with `breaks` (the ends of its support and the places where the density is not smooth) and
`density(x)` on arrays, which need not be normalised:

    @mfpde.marginal("two-humps")
    class TwoHumps:
        breaks = (-2.0, 0.0, 2.0)
        def density(self, x): ...

Files name it, `a = "two-humps"`; in Python `a = TwoHumps()`, or `a = mfpde.Density(function, lower, upper)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.keys.kinds import Kind
from mfpde.keys.reader import (
    NON_NEGATIVE,
    NON_NEGATIVE_SIZE,
    POSITIVE_SIZE,
    SIZE,
    Range,
    TableReader,
    as_list,
    increasing,
    meant_number,
    show,
)
from mfpde.problem.marginals import Marginal, Normal, Tabulated, Uniform, Values, made_marginal
from mfpde.solvers.registry import Registry

MARGINALS: Registry[Any] = Registry("law of a number", "", required=("density",))
marginal = MARGINALS.register
"""The decorator `@mfpde.marginal(name)` of the class of such a law."""
OF_NORMAL = 9.0
"""Standard deviations from its mean beyond which a normal law has no mass in floating point."""
MOST_VALUES = 1000
"""Of a discrete law: each has panels of its own."""
FORMS = ("normal", "uniform", "values", "table")


def ends_of(law: float | Marginal) -> tuple[float, float]:
    """Where a law lies, as far as floating point sees it."""
    if isinstance(law, int | float):
        return float(law), float(law)
    if isinstance(law, Normal):
        return law.mean - OF_NORMAL * law.std, law.mean + OF_NORMAL * law.std
    return float(law.breaks[0]), float(law.breaks[-1])


@dataclass(frozen=True)
class LawOf(Kind):
    """A constant, or the law of a number.

    Attributes:
        support: where its values lie.
        constant: what a message says to write for a constant.
    """

    support: Range = SIZE
    constant: float = 1.0

    @property
    def accepted(self) -> str:
        forms = "{ normal = [mean, standard deviation] }, { uniform = [low, high] }"
        more = "{ values = [...], weights = [...] } (equal ones where left out), { table = [[places], [densities]] }"
        return f"a number, {self.support}, {forms}, {more}, or the name of a law from --use"

    def read(self, reader: TableReader, name: str, default: Any) -> Any:
        value = reader.raw(name)
        if not reader.has(name):
            return default
        if isinstance(value, str) and value in MARGINALS:
            return self._made(reader, name, MARGINALS[value], default)
        if isinstance(value, str) and meant_number(value) is None:
            known = f"one of {', '.join(MARGINALS.names())}, " if MARGINALS.names() else ""
            words = f"{known}a number, {self._example('values')}, or --use FILE.py with a law of your own"
            reader.complain(name, "no law has this name", words)
            return default
        if not isinstance(value, Mapping):
            found = reader.number(name, math.nan, self.support, f"{self.constant} or {self._example('values')}")
            return default if math.isnan(found) else found
        law = TableReader(reader.dotted(name), value, (*FORMS, "weights"), reader.errors)
        given = [form for form in FORMS if law.has(form)]
        if len(given) != 1 or (law.has("weights") and given != ["values"]):
            words = ", ".join(self._example(form) for form in FORMS)
            reader.errors.append(f"{reader.dotted(name)} = {show(value)}: write one of {words}")
            return default
        forms = {"normal": self._normal, "uniform": self._uniform, "values": self._values, "table": self._table}
        made = forms[given[0]](law)
        return default if made is None else made

    def beyond(self, value: object) -> bool:
        """Made in Python."""
        spelled = isinstance(value, str | Mapping | list | tuple | bool | int | float | np.number)
        return (
            not spelled and not isinstance(value, Normal | Uniform | Values | Tabulated) and hasattr(value, "density")
        )

    def plain(self, value: object) -> object:
        """A constant or a law as TOML spells it."""
        match value:
            case Normal(mean, std):
                return {"normal": [mean, std]}
            case Uniform(low, high):
                return {"uniform": [low, high]}
            case Values(values, weights):
                return {"values": list(values)} | ({} if weights is None else {"weights": list(weights)})
            case Tabulated(points, values):
                return {"table": [list(points), list(values)]}
            case _:
                return value if not hasattr(value, "density") else str(getattr(value, "name", type(value).__name__))

    def _example(self, form: str) -> str:
        low, high = (0.2, 1.0) if self.support.low == 0.0 else (-1.0, 1.0)
        numbers = {
            "normal": "[1.0, 0.1]",
            "uniform": f"[{low}, {high}]",
            "values": f"[{low}, {high}]",
            "table": f"[[{low}, 0.6, {high}], [0.0, 1.0, 0.0]]",
        }
        return f"{{ {form} = {numbers[form]} }}"

    def _made(self, reader: TableReader, name: str, given: Callable[[], Any], default: Any) -> Any:
        """A user's law, where it is one."""
        try:
            made = made_marginal(given())
            low, high = ends_of(made)
        except Exception as error:
            reader.complain(name, f"the law fails: {error}", f"for example {name} = {self.constant}")
            return default
        if low in self.support and high in self.support:
            return made
        reader.complain(name, f"the law lies in [{low:g}, {high:g}]", f"a law of numbers, each {self.support}")
        return default

    def _normal(self, law: TableReader) -> Normal | None:
        pair = law.numbers("normal", SIZE, "[0.0, 1.0]")
        if pair is None:
            return None
        if len(pair) != 2 or pair[1] not in NON_NEGATIVE:
            problem = "must be a mean and a standard deviation >= 0"
        elif not all(end in self.support for end in ends_of(Normal(*pair))[: 1 if self.support.low == 0.0 else 0]):
            problem = f"is not positive: the mean must be {OF_NORMAL:g} standard deviations or more"
        else:
            return Normal(pair[0], pair[1])
        law.complain("normal", problem, f"for example {self._example('normal')[2:-2]}")
        return None

    def _uniform(self, law: TableReader) -> Uniform | None:
        ends = law.numbers("uniform", self.support, self._example("uniform")[12:-2])
        if ends is None:
            return None
        if len(ends) != 2 or ends[1] - ends[0] not in POSITIVE_SIZE:
            problem = "must be two numbers, low < high, their distance in [1e-06, 1e+06]"
            law.complain("uniform", problem, f"for example {self._example('uniform')[2:-2]}")
            return None
        return Uniform(ends[0], ends[1])

    def _values(self, law: TableReader) -> float | Values | None:
        values = law.numbers("values", self.support, self._example("values")[11:-2])
        weights = law.numbers("weights", NON_NEGATIVE_SIZE, "[0.5, 0.5]")
        if values and len(values) > MOST_VALUES:
            law.complain("values", f"more than {MOST_VALUES} values", "fewer, or a law that has a density")
            return None
        if words := law.unlike(weights=(), values=()):
            law.complain("weights", words, "one weight per value")
            return None
        if weights and not (sum(weights) >= 1e-6):
            law.complain("weights", "sum to 0", "for example weights = [0.5, 0.5]")
            return None
        return Values(values, weights) if values and (weights or not law.has("weights")) else None

    def _table(self, law: TableReader) -> Tabulated | None:
        rows = as_list(law.raw("table"))
        if len(rows) != 2:
            law.complain("table", "must be two lists", "table = [[places], [densities]]")
            return None
        columns = TableReader(law.dotted("table"), dict(zip(("0", "1"), rows, strict=True)), ("0", "1"), law.errors)
        places = columns.numbers("0", self.support, "[0.2, 0.6, 1.0]")
        densities = columns.numbers("1", NON_NEGATIVE_SIZE, "[0.0, 1.0, 0.0]")
        if places is None or densities is None:
            return None
        alike = len(places) == len(densities) >= 2 and increasing(places)
        if not alike or not (sum(densities) >= 1e-6 and places[-1] - places[0] in POSITIVE_SIZE):
            problem = "needs two or more strictly increasing places, up to 1e-06 or more apart, with as many densities"
            law.complain("table", f"{problem}, not all zero", f"for example {self._example('table')[2:-2]}")
            return None
        return Tabulated(places, densities)
