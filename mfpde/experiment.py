"""The declared experiment: a frozen dataclass per TOML table, each key declared once. Nothing here computes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mfpde.errors import raise_mistakes
from mfpde.keys.declaration import checked, is_trusting, plain_table
from mfpde.problem.directions import met
from mfpde.problem.initial.points import points_of
from mfpde.problem.laws.interface import DEFAULT, LAWS, DataLaw
from mfpde.problem.network import Network
from mfpde.schemes.choice import chosen_scheme
from mfpde.schemes.rules import check_together
from mfpde.schemes.solver import Solver
from mfpde.shell.user_files import Use
from mfpde.tables.dynamics import Dynamics
from mfpde.tables.sgd import NEURONS, Sgd
from mfpde.tables.time import Time

if TYPE_CHECKING:
    from mfpde.problem.problem import Problem

__all__ = ["Dynamics", "Experiment", "Sgd", "Time"]


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
