"""From TOML tables to a Experiment: one reader per table, then the rules that tie tables together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from mfpde.configuration.rules import check_together
from mfpde.experiment import (
    ACTIVATIONS,
    DATA_LAWS,
    MAXIMUM_DIMENSION,
    MINIMUM_TOLERANCE,
    STATIONARY_TOLERANCE,
    Data,
    Dynamics,
    Experiment,
    Initial,
    LogSave,
    Network,
    Normal,
    PiecewiseLinear,
    Sgd,
    Solver,
    TableRadius,
    Time,
    UniformPosition,
    UniformRadius,
)
from mfpde.keys.reader import (
    DURATION,
    NON_NEGATIVE,
    NON_NEGATIVE_SIZE,
    POSITIVE,
    POSITIVE_SIZE,
    SIZE,
    Interval,
    TableReader,
    as_list,
    as_number,
    increasing,
    show,
)
from mfpde.solvers.flow.flow import Schedule

# Keys of the tables that describe the problem, by the data law they belong to.
MIXTURE_KEYS = {
    "data": ("delta", "scales", "dims", "fractions"),
    "network": ("activation", "coefficients", "offsets"),
    "initial": ("kappa", "radius", "a", "b"),
}
BUMP_KEYS: dict[str, tuple[str, ...]] = {
    "data": ("centres", "weights", "width"),
    "network": (),
    "initial": ("position",),
}
TABLES = ("data", "network", "initial", "dynamics", "time", "solver", "sgd")
REQUIRED = ("data", "network")
MAXIMUM_COUNT = 10**9
MAXIMUM_BUMPS = 1000
STEEPEST = 1e9


def read_tables(tables: Mapping[str, object], errors: list[str]) -> Experiment:
    """The configuration, defaults standing in for whatever is wrong; `errors` receives the mistakes."""
    top = TableReader("", tables, TABLES, errors)
    for name in REQUIRED:
        if not top.has(name):
            errors.append(f"{name}: the table is missing; write [{name}] (it may be empty)")
    sections = {name: tables.get(name, {}) for name in TABLES}
    data = _read_data(sections["data"], errors)
    configuration = Experiment(
        data=data,
        network=_read_network(sections["network"], data.law, errors),
        initial=_read_initial(sections["initial"], data.law, errors),
        dynamics=_read_dynamics(sections["dynamics"], errors),
        time=_read_time(sections["time"], errors),
        solver=_read_solver(sections["solver"], errors),
        sgd=_read_sgd(sections["sgd"], errors),
    )
    check_together(configuration, errors)
    return configuration


def _refuse_foreign(reader: TableReader, law: str) -> None:
    """Complain of the keys of a table that belong to the other data law."""
    other, keys = (DATA_LAWS[1], BUMP_KEYS) if law == DATA_LAWS[0] else (DATA_LAWS[0], MIXTURE_KEYS)
    for key in keys[reader.where]:
        if reader.has(key):
            reader.complain(key, f'unused by data.law = "{law}"', f'data.law = "{other}", or leave {key} out')


def _read_data(table: object, errors: list[str]) -> Data:
    reader = TableReader("data", table, ("law", *MIXTURE_KEYS["data"], *BUMP_KEYS["data"]), errors)
    law = reader.choice("law", DATA_LAWS[0], DATA_LAWS)
    _refuse_foreign(reader, law)
    return _read_bumps(reader) if law == "gaussian-bumps" else _read_mixture(reader)


def _read_bumps(reader: TableReader) -> Data:
    centres = reader.numbers("centres", SIZE, "[-2.0, 0.0, 2.0]") or (-2.0, 0.0, 2.0)
    if len(centres) > MAXIMUM_BUMPS:
        reader.complain("centres", f"more than {MAXIMUM_BUMPS} bumps", f"at most {MAXIMUM_BUMPS} centres")
        centres = centres[:MAXIMUM_BUMPS]
    equal = (1.0 / len(centres),) * len(centres)
    weights = reader.numbers("weights", Interval(0.0, 1.0, low_open=True), "[0.25, 0.5, 0.25]") or equal
    if len(weights) != len(centres):
        reader.complain("weights", f"{len(weights)} weights for {len(centres)} centres", "one weight per centre")
        weights = equal
    elif not (abs(sum(weights) - 1.0) <= 1e-9):
        reader.complain("weights", f"sum to {sum(weights):.12g}", "shares of the target that sum to 1")
    width = reader.number("width", 0.5, POSITIVE_SIZE)
    return Data("gaussian-bumps", None, None, None, None, centres, weights, width)


def _read_mixture(reader: TableReader) -> Data:
    if reader.has("delta") and reader.has("scales"):
        reader.complain("delta", "given together with data.scales", "one of the two")
    delta = reader.number("delta", 0.8, Interval(0.0, 1.0, high_open=True))
    scales = _read_scales(reader)
    dims, fractions = _read_dims(reader)
    data = Data("gaussian-mixture", None if scales else delta, scales, dims, fractions)
    if scales and len(scales) != data.blocks:
        problem = f"has {len(scales)} blocks where data.{'fractions' if dims is None else 'dims'} has {data.blocks}"
        reader.complain("scales", problem, f"{data.blocks} pairs [s_plus, s_minus]")
    return data


def _read_scales(reader: TableReader) -> tuple[tuple[float, float], ...] | None:
    if not reader.has("scales"):
        return None
    pairs = []
    for item in as_list(reader.raw("scales")):
        pair = [as_number(scale) for scale in as_list(item)]
        good = [scale for scale in pair if scale is not None and scale in POSITIVE_SIZE]
        if len(pair) != 2 or len(good) != 2:
            problem = f"{show(item)} is not a pair of scales in [1e-06, 1e+06]"
            reader.complain("scales", problem, "for example scales = [[1.8, 0.2], [1.0, 1.0]]")
            return None
        pairs.append((good[0], good[1]))
    if not pairs:
        reader.complain("scales", "is empty", "one pair [s_plus, s_minus] per block")
    return tuple(pairs) or None


def _read_dims(reader: TableReader) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    """(dims, None) at finite d, (None, fractions) in the limit."""
    if reader.raw("dims") == "infinite":
        fractions = reader.numbers("fractions", Interval(0.0, 1.0, low_open=True), "[0.1875, 0.8125]")
        if fractions is None and not reader.has("fractions"):
            reader.complain("fractions", 'missing beside dims = "infinite"', "the shares p_j / d, which sum to 1")
        if fractions and not (abs(sum(fractions) - 1.0) <= 1e-9):
            reader.complain("fractions", f"sum to {sum(fractions):.12g}", "shares p_j / d that sum to 1")
        return None, fractions or (1.0,)
    if reader.has("fractions"):
        reader.complain("fractions", "needs d = infinity", 'dims = "infinite", or leave fractions out')
    example = '[60, 260] (that is s0 and d - s0), [40] for one block, or "infinite" with fractions'
    return reader.integers("dims", 1, MAXIMUM_DIMENSION, example) or Data().dims, None


def _read_network(table: object, law: str, errors: list[str]) -> Network:
    reader = TableReader("network", table, MIXTURE_KEYS["network"], errors)
    if law == "gaussian-bumps":
        _refuse_foreign(reader, law)
        return Network()
    activation: str | PiecewiseLinear
    if isinstance(reader.raw("activation"), Mapping):
        activation = _read_piecewise(reader.raw("activation"), errors)
    else:
        activation = reader.choice("activation", ACTIVATIONS[0], ACTIVATIONS)
    return Network(
        activation,
        reader.choice("coefficients", "fixed", ("fixed", "trained")),
        reader.choice("offsets", "none", ("none", "fixed", "trained")),
    )


def _read_piecewise(table: object, errors: list[str]) -> PiecewiseLinear:
    reader = TableReader("network.activation", table, ("knots", "values"), errors)
    lists = {}
    for key, example in (("knots", "[0.5, 1.5]"), ("values", "[-2.5, 7.5]")):
        lists[key] = reader.numbers(key, SIZE, example)
        if not reader.has(key):
            reader.complain(key, "missing", f"for example {key} = {example}")
    knots, values = lists["knots"], lists["values"]
    if knots and not increasing(knots):
        reader.complain("knots", "must increase strictly", "each knot once, in increasing order")
    if knots and len(knots) < 2:
        reader.complain("knots", "an activation needs two or more", "for example knots = [0.5, 1.5]")
    elif knots and values and len(knots) != len(values):
        problem = f"{len(values)} values for {len(knots)} knots"
        reader.complain("values", problem, "one value per knot")
    elif knots and values and increasing(knots) and not (_steepest(knots, values) <= STEEPEST):
        reader.complain("knots", f"a slope between them exceeds {STEEPEST:g}", "knots farther apart")
    return PiecewiseLinear(knots or (0.0, 1.0), values or (0.0, 1.0))


def _read_initial(table: object, law: str, errors: list[str]) -> Initial:
    reader = TableReader("initial", table, (*MIXTURE_KEYS["initial"], *BUMP_KEYS["initial"]), errors)
    _refuse_foreign(reader, law)
    if law == "gaussian-bumps":
        return Initial(None, None, position=_read_position(reader))
    if reader.has("kappa") and reader.has("radius"):
        reader.complain("kappa", "given together with initial.radius", "one of the two")
    kappa = reader.number("kappa", 0.8, POSITIVE_SIZE)
    radius = _read_radius(reader.raw("radius"), errors) if reader.has("radius") else None
    a, b = _read_parameter(reader, "a", 1.0), _read_parameter(reader, "b", 0.0)
    return Initial(None if reader.has("radius") else kappa, radius, a, b)


def _read_position(reader: TableReader) -> Normal | UniformPosition:
    default = Normal(0.0, 2.0)
    value = reader.raw("position")
    if not reader.has("position"):
        return default
    law = TableReader("initial.position", value, ("normal", "uniform"), reader.errors)
    if law.has("normal") == law.has("uniform"):
        if isinstance(value, Mapping):
            message = "write either { normal = [0.0, 2.0] } or { uniform = [-3.0, 3.0] }"
            reader.errors.append(f"initial.position = {show(value)}: {message}")
        return default
    key = "normal" if law.has("normal") else "uniform"
    example = "[0.0, 2.0]" if key == "normal" else "[-3.0, 3.0]"
    pair = law.numbers(key, SIZE, example)
    if pair is None:
        return default
    extent = pair[-1] if key == "normal" else pair[-1] - pair[0]
    if len(pair) != 2 or extent not in POSITIVE_SIZE:
        kind = "a mean and a standard deviation" if key == "normal" else "two places, low < high, their distance"
        law.complain(key, f"must be {kind} in [1e-06, 1e+06]", f"for example {key} = {example}")
        return default
    return Normal(pair[0], pair[1]) if key == "normal" else UniformPosition(pair[0], pair[1])


def _read_radius(table: object, errors: list[str]) -> UniformRadius | TableRadius | None:
    reader = TableReader("initial.radius", table, ("uniform", "table"), errors)
    if reader.has("uniform") == reader.has("table"):
        if isinstance(table, Mapping):
            message = "write either { uniform = [0.2, 1.0] } or { table = [[radii], [densities]] }"
            errors.append(f"initial.radius = {show(table)}: {message}")
        return None
    if reader.has("uniform"):
        bounds = reader.numbers("uniform", NON_NEGATIVE_SIZE, "[0.2, 1.0]")
        if bounds and (len(bounds) != 2 or not (bounds[0] < bounds[1] and bounds[1] in POSITIVE_SIZE)):
            reader.complain(
                "uniform",
                "must be two radii, low < high and high in [1e-06, 1e+06]",
                "for example uniform = [0.2, 1.0]",
            )
            return None
        return UniformRadius(bounds[0], bounds[1]) if bounds else None
    return _read_radius_table(reader, errors)


def _read_radius_table(reader: TableReader, errors: list[str]) -> TableRadius | None:
    rows = as_list(reader.raw("table"))
    if len(rows) != 2:
        reader.complain("table", "must be two lists", "table = [[radii], [densities]]")
        return None
    columns = TableReader("initial.radius.table", dict(zip(("0", "1"), rows, strict=True)), ("0", "1"), errors)
    radii = columns.numbers("0", NON_NEGATIVE_SIZE, "[0.2, 0.6, 1.0]")
    densities = columns.numbers("1", NON_NEGATIVE_SIZE, "[0.0, 1.0, 0.0]")
    if radii is None or densities is None:
        return None
    if len(radii) != len(densities) or len(radii) < 2 or not increasing(radii) or not _weighs(radii, densities):
        problem = (
            "needs two or more strictly increasing radii, up to 1e-06 or more, with as many densities, not all zero"
        )
        reader.complain("table", problem, "for example table = [[0.2, 0.6, 1.0], [0.0, 1.0, 0.0]]")
        return None
    return TableRadius(radii, densities)


def _read_parameter(reader: TableReader, key: str, default: float) -> float | Normal:
    value = reader.raw(key)
    if not isinstance(value, Mapping):
        return reader.number(key, default, SIZE)
    where = f"{reader.where}.{key}"
    law = TableReader(where, value, ("normal",), reader.errors)
    pair = law.numbers("normal", SIZE, "[0.0, 1.0]")
    if pair is None or len(pair) != 2 or pair[1] not in NON_NEGATIVE:
        problem = "must be a mean and a standard deviation >= 0"
        law.complain("normal", problem, f"for example {key} = {{ normal = [{default}, 0.5] }}")
        return default
    return Normal(pair[0], pair[1])


def _read_dynamics(table: object, errors: list[str]) -> Dynamics:
    keys = ("flow", "fisher_rao_rate", "inverse_temperature", "ridge", "schedule")
    reader = TableReader("dynamics", table, keys, errors)
    flow = reader.choice("flow", "wasserstein", ("wasserstein", "wasserstein-fisher-rao", "fisher-rao"))
    rate = reader.number("fisher_rao_rate", 0.0, NON_NEGATIVE_SIZE)
    if rate > 0.0 and flow == "wasserstein":
        remedy = 'flow = "wasserstein-fisher-rao", or fisher_rao_rate = 0.0'
        reader.complain("fisher_rao_rate", 'unused by flow = "wasserstein"', remedy)
    if not (rate > 0.0) and flow == "fisher-rao":
        reader.complain("flow", "nothing moves with fisher_rao_rate = 0", "fisher_rao_rate = 1.0")
    positive_or_infinite = Interval(0.0, low_open=True, infinite=True)
    beta = reader.number("inverse_temperature", math.inf, positive_or_infinite, "inf (no noise)")
    return Dynamics(flow, rate, beta, reader.number("ridge", 0.0, NON_NEGATIVE_SIZE), _read_schedule(reader))


def _read_schedule(reader: TableReader) -> Schedule:
    value = reader.raw("schedule")
    if not isinstance(value, Mapping):
        return Schedule(scale=reader.number("schedule", 1.0, DURATION, "1.0 or schedule = { power = -0.25 }"))
    schedule = TableReader("dynamics.schedule", value, ("scale", "power"), reader.errors)
    power = schedule.number(
        "power", 0.0, Interval(-1.0, 100.0, low_open=True), "-0.25 (the integral of t^power must be finite)"
    )
    return Schedule(schedule.number("scale", 1.0, DURATION), power)


def _read_time(table: object, errors: list[str]) -> Time:
    reader = TableReader("time", table, ("end", "save", "until", "stationary_tolerance"), errors)
    end = reader.number("end", 10.0, DURATION)
    until = reader.choice("until", "end", ("end", "stationary"))
    tolerance = None
    if until == "stationary":
        tolerance = reader.number("stationary_tolerance", STATIONARY_TOLERANCE, POSITIVE)
    elif reader.has("stationary_tolerance") and reader.raw("until") in (None, "end"):
        remedy = 'until = "stationary", or leave stationary_tolerance out'
        reader.complain("stationary_tolerance", f'unused by until = "{until}"', remedy)
    return Time(end, _read_save(reader, end), until, tolerance)


def _read_save(reader: TableReader, end: float) -> int | tuple[float, ...] | LogSave:
    value = reader.raw("save")
    if isinstance(value, Mapping):
        return _read_log_save(value, end, reader.errors)
    if not isinstance(value, list | tuple):
        return reader.integer("save", 101, 2, 10**6)
    times = reader.numbers("save", NON_NEGATIVE, "[0.0, 1.0, 10.0]")
    if times is None:
        return Time().save
    if not increasing(times):
        reader.complain("save", "the times must increase strictly", "each time once, in increasing order")
        return Time().save
    if not (times[-1] <= end):
        reader.complain("save", f"the last time lies beyond time.end = {end:g}", f"times up to {end:g} or a later end")
    return times


def _read_log_save(table: Mapping[str, object], end: float, errors: list[str]) -> LogSave:
    reader = TableReader("time.save", table, ("log", "first"), errors)
    count = reader.integer("log", 50, 2, 10**6)
    first = reader.number("first", end / 10_000.0, Interval(0.0, end, low_open=True, high_open=True))
    return LogSave(count, first)


def _read_solver(table: object, errors: list[str]) -> Solver:
    keys = ("scheme", "tolerance", "cells", "order", "step", "courant", "atoms")
    reader = TableReader("solver", table, keys, errors)
    tolerance = Interval(MINIMUM_TOLERANCE, 1.0, high_open=True)
    unit = Interval(0.0, 1.0, low_open=True)
    return Solver(
        scheme=reader.choice("scheme", "finite-volume", ("finite-volume", "characteristics", "jko", "particles")),
        tolerance=reader.number("tolerance", 1e-6, tolerance),
        cells=reader.integers("cells", 2, 10**7, "[128, 128]"),
        order=reader.integer("order", 2, 1, 2) if reader.has("order") else None,
        step=reader.number("step", 1e-3, POSITIVE) if reader.has("step") else None,
        courant=reader.number("courant", 0.5, unit) if reader.has("courant") else None,
        atoms=reader.integers("atoms", 1, 10**7, "[64]"),
    )


def _read_sgd(table: object, errors: list[str]) -> Sgd:
    reader = TableReader(
        "sgd", table, ("neurons", "step_size", "replicas", "seed", "batch", "state", "precision"), errors
    )
    return Sgd(
        reader.integer("neurons", 800, 1, MAXIMUM_COUNT),
        reader.number("step_size", 2e-4, POSITIVE),
        reader.integer("replicas", 1, 1, MAXIMUM_COUNT),
        reader.integer("seed", 0, 0, 2**31 - 1),
        reader.integer("batch", 1, 1, 10**6),
        reader.choice("state", "weights", ("weights", "gram")),
        reader.choice("precision", "float64", ("float64", "float32")),
    )


def _weighs(radii: tuple[float, ...], densities: tuple[float, ...]) -> bool:
    """Whether a table of densities has mass, on radii that are not all tiny."""
    return sum(densities) >= 1e-6 and radii[-1] in POSITIVE_SIZE


def _steepest(knots: tuple[float, ...], values: tuple[float, ...]) -> float:
    pairs = itertools.pairwise(zip(knots, values, strict=True))
    return max((abs(high[1] - low[1]) / (high[0] - low[0]) for low, high in pairs), default=0.0)
