"""From the tables of a TOML file to an experiment: one dataclass per table, then the rules that tie them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.keys.declaration import foreign_keys, names_of, read_table, trusting
from mfpde.keys.reader import TableReader, known_name
from mfpde.problem.laws.interface import DEFAULT, LAWS, DataLaw
from mfpde.problem.network import Network
from mfpde.schemes.rules import check_together
from mfpde.schemes.solver import Solver
from mfpde.shell.user_files import Use
from mfpde.tables.dynamics import Dynamics
from mfpde.tables.sgd import Sgd
from mfpde.tables.time import Time

TABLES = ("data", "network", "initial", "dynamics", "time", "solver", "sgd")
REQUIRED = ("data", "network")
Table = TypeVar("Table")


def parse(tables: Mapping[str, object], uses: tuple[Use, ...] = ()) -> Experiment:
    """The experiment that TOML tables describe and its users' files; raises ConfigurationError with every mistake."""
    errors: list[str] = []
    experiment = read_tables(tables, errors, uses)
    raise_mistakes(errors, experiment)
    return experiment


def read_tables(tables: Mapping[str, object], errors: list[str], uses: tuple[Use, ...] = ()) -> Experiment:
    """The experiment, defaults standing in for whatever is wrong; `errors` receives the mistakes."""
    sections = {name: tables.get(name, {}) for name in TABLES}
    law = law_named(sections["data"])
    if isinstance(sections["network"], Mapping):
        sections["network"] = {**law.network_defaults, **sections["network"]}
    homes = homes_of(law)
    top = TableReader("", tables, TABLES, errors, homes)
    for name in REQUIRED:
        if not top.has(name):
            errors.append(f"{name}: the table is missing; write [{name}] (it may be empty)")

    def of_law(name: str, table: type[Table], own: tuple[str, ...]) -> Table:
        reader = _law_reader(name, sections[name], own, law, errors, homes)
        return read_table(table, reader) if own else table()

    def plain(name: str, table: type[Table]) -> Table:
        return read_table(table, TableReader(name, sections[name], names_of(table), errors, homes))

    with trusting():
        experiment = Experiment(
            data=of_law("data", law, names_of(law)),
            network=of_law("network", Network, law.network_keys),
            initial=of_law("initial", law.Initial, names_of(law.Initial)),
            dynamics=plain("dynamics", Dynamics),
            time=plain("time", Time),
            solver=plain("solver", Solver),
            sgd=plain("sgd", Sgd),
            uses=uses,
        )
    check_together(experiment, errors)
    return experiment


def law_named(table: object) -> type[DataLaw]:
    """The law that a [data] table names; the default one where it names none that there is."""
    name = table.get("law", DEFAULT) if isinstance(table, Mapping) else DEFAULT
    return LAWS[known_name(name, LAWS.names()) or DEFAULT]


def homes_of(law: type[DataLaw]) -> dict[str, str]:
    """The table of each key."""
    laws = {"data": ("law", *names_of(law)), "network": law.network_keys, "initial": names_of(law.Initial)}
    plain = {table.table: names_of(table) for table in (Dynamics, Time, Solver, Sgd)}
    return {key: table for table, keys in reversed({**laws, **plain}.items()) for key in keys}


def _law_reader(
    where: str,
    table: object,
    own: tuple[str, ...],
    law: type[DataLaw],
    errors: list[str],
    homes: Mapping[str, str],
) -> TableReader:
    """The reader of a table whose keys depend on the data law, once it has complained of those of other laws."""
    others: dict[str, str] = {}
    for name in LAWS.names():
        other = LAWS[name]
        keys = {"data": names_of(other), "network": other.network_keys, "initial": names_of(other.Initial)}[where]
        for key in keys:
            others.setdefault(key, f'data.law = "{name}"')
    first = ("law",) if where == "data" else ()
    reader = TableReader(where, table, tuple(dict.fromkeys((*first, *own, *others))), errors, homes)
    if where == "data":
        reader.choice("law", DEFAULT, LAWS.names())
    foreign_keys(reader, own, others, f'data.law = "{law.name}"')
    return reader
