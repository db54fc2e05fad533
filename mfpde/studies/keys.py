"""keys and new: the reference of all keys, and a file of them to begin with, read off what the reader reads by."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mfpde.configuration.extensions import use_installed, used
from mfpde.configuration.toml import spelled
from mfpde.errors import ConfigurationError
from mfpde.keys.declaration import Key, keys_of
from mfpde.keys.reader import nearest, one_line
from mfpde.problem.laws.interface import DEFAULT, LAWS
from mfpde.problem.network import Network
from mfpde.results.answers.plain.keys import Entry, Keys
from mfpde.schemes.interface import SCHEMES, scheme_names
from mfpde.schemes.solver import Solver
from mfpde.tables.dynamics import Dynamics
from mfpde.tables.sgd import Sgd
from mfpde.tables.time import Time

WIDTH = 118
SHARED = {"network": Network, "dynamics": Dynamics, "time": Time, "sgd": Sgd}
TABLES = ("data", "network", "initial", "dynamics", "time", "solver", "sgd")
HEAD = """# An experiment on the data law {law}. `mfpde check FILE` reads this file, `mfpde solve FILE` runs it.
# A key that is left out has the value written here; one behind a # is left out."""


def keys(wanted: str | None = None, law: str | None = None, use: Sequence[str | Path] = ()) -> Keys:
    """The reference of the keys of a table ("time"), of a dotted name ("time.end") or of a name in any table ("end").

    Args:
        wanted: None for all of them.
        law: of this data law alone; of every law where None.
        use: files of one's own, whose laws and schemes count.

    Raises:
        ConfigurationError: there are none.
    """
    laws = _laws(law, use)
    known = (_law_entry(), *(entry for table in TABLES for entry in _of_table(table, laws)))
    if wanted is None:
        return Keys(known)
    name = wanted.strip().strip("[]")
    found = tuple(entry for entry in known if name in (entry.table, entry.name, entry.key))
    if found:
        return Keys(found)
    if name in TABLES:
        raise ConfigurationError([f"{name}: {' and '.join(laws)} has no keys there; write another --law, or none"])
    hint = nearest(name, sorted({*TABLES, *(entry.key for entry in known), *(entry.name for entry in known)}))
    problem = f"{one_line(wanted)}: no such table or key; did you mean {hint}? The tables are {', '.join(TABLES)}"
    raise ConfigurationError([problem])


def template(law: str | None = None, use: Sequence[str | Path] = ()) -> str:
    """A TOML file to begin with: every key of a data law, what it is, what it may be, and its default.

    Raises:
        ConfigurationError: there is no such law.
    """
    name = _laws(law or DEFAULT, use)[0]
    lines = [HEAD.format(law=name), ""]
    for table in TABLES:
        lines += [f"[{table}]", *([f'law = "{name}"'] if table == "data" else [])]
        lines += [line for entry in _of_table(table, (name,)) for line in _declared(entry)]
        lines.append("")
    return "\n".join(lines)


def _laws(law: str | None, use: Sequence[str | Path]) -> tuple[str, ...]:
    """The law of that name, or every law."""
    use_installed()
    used(use)
    names = LAWS.names()
    if law is None or law in names:
        return names if law is None else (law,)
    hint, there = nearest(law, names), ", ".join(names)
    raise ConfigurationError([f"--law {one_line(law)}: no such data law; did you mean {hint}? There are {there}"])


def _declared(entry: Entry) -> Iterator[str]:
    """The lines of a key in a file."""
    yield from textwrap.wrap(f"{entry.told}: {entry.accepted}", WIDTH, initial_indent="# ", subsequent_indent="#   ")
    given = entry.begun or ("" if entry.schemes else entry.default)
    yield f"{entry.key} = {given}" if given else f"# {entry.key} = {entry.default or '...'}"


def _law_entry() -> Entry:
    accepted = f"one of {', '.join(LAWS.names())}, or the name of a law from --use"
    return Entry("data", "law", f'"{DEFAULT}"', accepted, "the data law, which declares further keys")


def _of_table(table: str, laws: Sequence[str]) -> Iterator[Entry]:
    """The keys of a table in the order of a file; those that laws declare, once for each law."""
    if table in SHARED:
        taken = {name for law in laws for name in LAWS[law].network_keys}
        declared = (each for each in keys_of(SHARED[table]) if table != "network" or each.name in taken)
        own = LAWS[laws[0]].network_defaults if table == "network" and len(laws) == 1 else {}
        defaults = (replace(each, default=own.get(each.name, each.default)) for each in declared)
        yield from (_entry(table, each) for each in defaults)
    elif table == "solver":
        readers = _readers()
        yield from (_entry(table, each, schemes=readers.get(each.name, ())) for each in keys_of(Solver))
    else:
        for law in laws:
            begun = LAWS[law].begun if table == "data" else {}
            declaring = LAWS[law] if table == "data" else LAWS[law].Initial
            yield from (_entry(table, each, law, begun=begun.get(each.name)) for each in keys_of(declaring))


def _readers() -> dict[str, tuple[str, ...]]:
    """The schemes that read each key which schemes declare."""
    found: dict[str, tuple[str, ...]] = {}
    for scheme in scheme_names():
        for each in keys_of(SCHEMES[scheme].Options):
            found[each.name] = (*found.get(each.name, ()), scheme)
    return found


def _entry(table: str, key: Key, law: str = "", schemes: tuple[str, ...] = (), begun: object = None) -> Entry:
    default = "" if key.default is None else spelled(key.kind.plain(key.default))
    start = "" if begun is None else spelled(begun)
    return Entry(table, key.name, default, key.kind.accepted, key.text, law, schemes, start)
