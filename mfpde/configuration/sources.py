"""Where an experiment comes from: a TOML file, a preset's name, standard input or a problem made in Python."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfpde import presets
from mfpde.configuration.extensions import use_installed, used
from mfpde.configuration.parsing import homes_of, law_named, parse
from mfpde.configuration.toml import to_tables
from mfpde.configuration.toml_mistakes import toml_mistake
from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.keys.declaration import keys_of, names_of, plain_table, read_table, trusting
from mfpde.keys.reader import TableReader, nearest, one_line
from mfpde.problem.problem import Problem
from mfpde.schemes.rules import check_together
from mfpde.schemes.solver import Solver
from mfpde.shell.user_files import Use
from mfpde.solvers.flow.flow import Mobility
from mfpde.tables.dynamics import Dynamics, MobilityGiven
from mfpde.tables.sgd import Sgd
from mfpde.tables.time import Time

Source = str | Path | Experiment | Problem
"""A preset's name, the path of a TOML file, "-" for standard input, an experiment, or a problem made in Python."""
MAXIMUM_BYTES = 10_000_000
STDIN = "-"


def load_configuration(
    source: str | Path, overrides: Sequence[str] = (), *, use: Sequence[str | Path] = ()
) -> Experiment:
    """The experiment of a TOML file or preset, with overrides such as "solver.cells=256,256".

    A preset's name means the preset even where a file has that name: write ./name for the file. "-" is standard input.

    Args:
        source: a preset's name, the path of a TOML file, or "-".
        overrides: "table.key=value" each, applied in their order.
        use: Python files that register data laws, activations, losses and schemes.

    Raises:
        ConfigurationError: naming every mistake.
    """
    uses, errors = _extensions(use)
    tables: dict[str, object] = {}
    try:
        tables = _read_toml(source_text(source), one_line("standard input" if source == STDIN else str(source)))
    except ConfigurationError as error:
        errors += error.messages
    readable = not errors
    if str(source) != STDIN and source not in presets.names():
        _locate(tables, Path(source).parent)
    _apply_all(tables, overrides, errors)
    if not readable:
        raise ConfigurationError(errors)
    try:
        experiment = parse(tables, uses)
    except ConfigurationError as error:
        raise ConfigurationError(errors + list(error.messages), error.configuration) from None
    raise_mistakes(errors, experiment)
    return experiment


def experiment_of(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    use: Sequence[str | Path] = (),
    **options: object,
) -> Experiment:
    """The experiment of any source, with options of [time], [solver] and [sgd] by their names.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        overrides: as `load_configuration` takes them; for a name or a path only.
        use: as there.
        options: end=5.0, scheme="jko", tolerance=1e-8, neurons=400, ... : keys of [time], [solver] and [sgd]; None for
            "as it is".

    Raises:
        ConfigurationError: naming every mistake.
        TypeError: overrides of an experiment or a problem.
    """
    if isinstance(source, str | Path):
        asked = {_path_of(override)[:2] for override in overrides}
        return _with_options(load_configuration(source, overrides, use=use), options, asked)
    if overrides:
        raise TypeError("overrides are for presets and files; give options by their names: solve(problem, end=5.0)")
    uses, errors = _extensions(use)
    raise_mistakes(errors)
    experiment = source if isinstance(source, Experiment) else _declared(source)
    return _with_options(replace(experiment, uses=(*experiment.uses, *uses)), options)


def with_overrides(experiment: Experiment, overrides: Sequence[str]) -> Experiment:
    """An experiment with overrides, as `load_configuration` takes them; raises ConfigurationError."""
    if experiment.problem is not None:
        problem = "a problem made in Python has no keys to override"
        raise ConfigurationError([f"{problem}; vary it in Python, or write it as a TOML file"])
    tables: dict[str, object] = {**to_tables(experiment), "solver": _given_table(experiment, "solver")}
    errors: list[str] = []
    _apply_all(tables, overrides, errors)
    raise_mistakes(errors, experiment)
    return parse(tables, experiment.uses)


def _given_table(experiment: Experiment, name: str) -> dict[str, object]:
    """A table as it was given: without the scheme where that was chosen."""
    table = plain_table(getattr(experiment, name))
    if name == "solver" and experiment.solver.choice is not None:
        del table["scheme"]
    return table


def _declared(problem: Problem) -> Experiment:
    """The experiment on a problem made in Python."""
    flow = problem.flow
    names = {(True, False): "wasserstein", (True, True): "wasserstein-fisher-rao", (False, True): "fisher-rao"}
    return Experiment(
        data=problem.data.declared,
        network=problem.network,
        initial=problem.options,
        dynamics=Dynamics(
            names.get((flow.transport, flow.fisher_rao_rate > 0.0), "fisher-rao"),
            flow.fisher_rao_rate,
            flow.inverse_temperature,
            flow.ridge,
            flow.schedule,
            _mobility(problem),
            flow.penalty if flow.penalty.acts else None,
            "free" if flow.free else "probability",
            flow.growth,
        ),
        problem=problem,
    )


def _mobility(problem: Problem) -> MobilityGiven | None:
    """The mobilities of what is trained, where they are not 1."""
    given, (a, b) = problem.flow.mobility, problem.network.trained
    return None if given == Mobility() else MobilityGiven(given.w, given.a if a else None, given.b if b else None)


def _with_options(
    experiment: Experiment, options: Mapping[str, object], asked: Collection[tuple[str, ...]] = ()
) -> Experiment:
    """The experiment with keys of [time], [solver] and [sgd] given by name, read as from a file.

    Another scheme takes away what means its predecessor's alone, but not what was `asked` for beside it.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return experiment
    errors: list[str] = []
    changed = {}
    for name, table in (("time", Time), ("solver", Solver), ("sgd", Sgd)):
        own = {key: given.pop(key) for key in names_of(table) if key in given and _meant(name, table, key, given[key])}
        whole = _given_table(experiment, name)
        if name == Solver.table and "scheme" in own:
            _drop_alternatives({name: whole}, (name, "scheme"), own["scheme"], asked)
        whole |= own
        changed[name] = read_table(table, TableReader(name, whole, names_of(table), errors))
    known = [key for table in (Time, Solver, Sgd) for key in names_of(table)]
    errors += [f"{name}: no such option; did you mean {nearest(name, known)}?" for name in given]
    with trusting():
        made = replace(experiment, **changed)  # type: ignore[arg-type]
    check_together(made, errors)
    raise_mistakes(errors, made)
    return made


def _meant(name: str, table: type[Any], key: str, value: object) -> bool:
    """Whether an option is a key of this table: where a later one has it too, whether this one can read it."""
    if table is Sgd or key not in names_of(Sgd):
        return True
    errors: list[str] = []
    read_table(table, TableReader(name, {key: value}, names_of(table), errors))
    return not errors


def _extensions(use: Sequence[str | Path]) -> tuple[tuple[Use, ...], list[str]]:
    """The users' files in use, and what is wrong with them."""
    try:
        use_installed()
        return used(use), []
    except ConfigurationError as error:
        return (), list(error.messages)


def override_mistakes(overrides: Sequence[str]) -> list[str]:
    """What is wrong with the form of overrides, whatever they are for."""
    errors: list[str] = []
    for override in overrides:
        _apply({}, override, errors, set())
    return errors


def source_text(source: str | Path) -> str:
    """The TOML text of a source; raises ConfigurationError where there is none to read."""
    if isinstance(source, str) and source in presets.names():
        return presets.text(source)
    if source == STDIN:
        return _decoded(sys.stdin.buffer.read(MAXIMUM_BYTES + 1), "standard input")
    path, name = Path(source), one_line(str(source))
    if not str(source):
        raise ConfigurationError(["SOURCE is empty; write the path of a TOML file or a preset's name"])
    try:
        if path.is_dir():
            raise ConfigurationError([f"{name}: is a directory; write the path of a TOML file or a preset's name"])
        if not path.exists():
            hint = nearest(path.stem, presets.names())
            message = f"{name}: no such file or preset; did you mean the preset {hint}? `mfpde presets` lists them"
            raise ConfigurationError([message])
        with path.open("rb") as stream:
            raw = stream.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError([f"{name}: cannot be read ({reason}); write a readable TOML file"]) from None
    return _decoded(raw, name)


def _decoded(raw: bytes, name: str) -> str:
    if len(raw) > MAXIMUM_BYTES:
        raise ConfigurationError([f"{name}: larger than {MAXIMUM_BYTES} bytes; write a TOML configuration file"])
    try:
        # Editors of some systems begin a text with a byte-order mark, which TOML does not know.
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name}: not a text file (byte {error.start} is not UTF-8); write a TOML configuration file"
        raise ConfigurationError([message]) from None


def _read_toml(text: str, source: str) -> dict[str, object]:
    if not text.strip():
        message = f"{source}: is empty; write at least [data] and [network] (`mfpde presets NAME` prints one)"
        raise ConfigurationError([message])
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError([f"{source}: not valid TOML, {toml_mistake(text, error)}"]) from None


def _locate(tables: dict[str, object], folder: Path) -> None:
    """Take the paths in the tables of a file from its folder, in place."""
    law = law_named(tables.get("data"))
    for name, options in (("data", law), ("initial", law.Initial)):
        section = tables.get(name)
        for each in keys_of(options) if isinstance(section, dict) else ():
            located = getattr(each.kind, "located", None)
            if located is not None and isinstance(section, dict) and each.name in section:
                section[each.name] = located(section[each.name], folder)


def _apply_all(tables: dict[str, object], overrides: Sequence[str], errors: list[str]) -> None:
    """Set the keys of overrides, in place of rivals of theirs in the source."""
    given: set[tuple[str, ...]] = set()
    for override in overrides:
        _apply(tables, override, errors, given)


def _apply(tables: dict[str, object], override: str, errors: list[str], given: set[tuple[str, ...]]) -> None:
    """Set one dotted key of `tables`, which is changed in place; `given` are the keys of overrides so far."""
    name, equals, text = override.partition("=")
    path = _path_of(override)
    option = f"--set {one_line(override)}"
    home = homes_of(law_named(tables.get("data"))).get(name.strip()) if equals else None
    if home is not None:
        errors.append(f"{option}: {name.strip()} is a key of [{home}]; write --set {home}.{one_line(override)}")
        return
    if not equals or len(path) < 2 or not all(path):
        errors.append(f"{option}: not of the form table.key=value; write for example --set time.end=20")
        return
    table: object = tables
    for part in path[:-1]:
        table = table.setdefault(part, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        whole = ".".join(path[:-1])
        remedy = f"write the whole value instead, --set '{one_line(whole)}={{ {one_line(path[-1])} = ... }}'"
        errors.append(f"{option}: {one_line(whole)} is not a table; {remedy}")
        return
    value = override_value(text.strip())
    _drop_alternatives(tables, path, value, given)
    table[path[-1]] = value
    given.add(path[:2])


def _path_of(override: str) -> tuple[str, ...]:
    """The key that an override is for, by its parts."""
    return tuple(part.strip() for part in override.partition("=")[0].split("."))


def _drop_alternatives(
    tables: Mapping[str, object], path: tuple[str, ...], value: object, given: Collection[tuple[str, ...]]
) -> None:
    """Take away what the source says in place of an overridden key."""
    section, law = tables.get(path[0]), law_named(tables.get("data"))
    if not isinstance(section, dict):
        return
    options = {"data": law, "initial": law.Initial}.get(path[0])
    replaced_by = getattr(options, "replaced_by", lambda name, value: ())
    rivals = Solver.replaced_by(path[1], value, section) if path[0] == Solver.table else replaced_by(path[1], value)
    for rival in rivals:
        if (path[0], rival) not in given:
            section.pop(rival, None)


def override_value(text: str) -> object:
    """The value of an override: TOML if it parses, else a comma list, else a string."""
    try:
        found = tomllib.loads(f"value = {text}")
        # A text of several lines could smuggle in other keys: it is a string.
        if len(found) == 1:
            return found["value"]
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        pass
    if "," in text:
        return [override_value(part.strip()) for part in text.split(",") if part.strip()]
    return text
