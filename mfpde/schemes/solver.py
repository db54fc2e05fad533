"""The table [solver]: the scheme, what all schemes share, and the options that each declares for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mfpde.keys.declaration import Checked, Key, key, keys_of
from mfpde.keys.kinds import Choice, Number
from mfpde.keys.reader import POSITIVE, Range
from mfpde.schemes.interface import SCHEMES, Unlisted, scheme_names

# Below it the adaptive parts would chase the rounding of double precision.
MINIMUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class SchemeName(Choice):
    """The name of a scheme; that of one's own which is passed as it is need not be registered."""

    def beyond(self, value: object) -> bool:
        return isinstance(value, Unlisted)


@dataclass(frozen=True)
class Solver(Checked):
    """The scheme and its options.

    Attributes:
        options: names and values of the keys that are given of those that schemes declare, in alphabetical order: a
            scheme reads its own of them (`SchemeKind.options`) and leaves those of others alone. Each is an attribute,
            too: `solver.cells`, None where it is not given.
        chosen: the scheme that the program took and why, in words, empty for the usual one; None where it took none.
    """

    table = "solver"

    scheme: str | None = key(
        None, SchemeName(scheme_names), "the numerical scheme; left out, it is chosen from the problem"
    )
    tolerance: float = key(
        1e-6,
        Number(Range(MINIMUM_TOLERANCE, 1.0, high_open=True)),
        "target error of the adaptive parts: objective, grid guide, time step",
    )
    step: float | None = key(None, Number(POSITIVE, fallback=1e-3), "largest time step")
    options: tuple[tuple[str, Any], ...] = ()
    chosen: tuple[str, str] | None = field(default=None, compare=False)

    @classmethod
    def further(cls, given: Mapping[str, object]) -> tuple[Key, ...]:
        """The keys that schemes declare, in their order; one of the scheme that is `given` is read as it says."""
        found: dict[str, Key] = {}
        for name in scheme_names():
            for each in keys_of(SCHEMES[name].Options):
                found.setdefault(each.name, each)
        chosen = given.get("scheme")
        if isinstance(chosen, str) and chosen in SCHEMES:
            found |= {each.name: each for each in keys_of(SCHEMES[chosen].Options)}
        return tuple(found.values())

    @staticmethod
    def replaced_by(name: str, value: object, section: Mapping[str, object]) -> tuple[str, ...]:
        """The keys of a table that another scheme takes away from it: what means its own scheme alone."""
        own = section.get("scheme")
        if name != "scheme" or value == own or not isinstance(own, str) or own not in SCHEMES:
            return ()
        return SCHEMES[own].unshared

    def having(self, **options: Any) -> Solver:
        """The same with other values of these options; None takes one away."""
        values = {name: value for name, value in {**dict(self.options), **options}.items() if value is not None}
        return replace(self, options=tuple(sorted(values.items())))

    @property
    def choice(self) -> str | None:
        """Why the program took the scheme, None where it was asked for."""
        return self.chosen[1] if self.chosen is not None and self.chosen[0] == self.scheme else None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in {each.name for each in self.further({})}:
            raise AttributeError(f"no scheme has an option {name!r}")
        return dict(self.options).get(name)
