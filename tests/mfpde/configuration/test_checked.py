"""What is made in Python holds to the rules of the files: every table, every key, all mistakes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde import ConfigurationError
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import to_tables
from mfpde.experiment import Experiment
from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Number
from mfpde.keys.reader import POSITIVE
from mfpde.problem.laws.gaussian_bumps import BumpInitial, GaussianBumps
from mfpde.problem.laws.gaussian_mixture import GaussianMixture, MixtureInitial
from mfpde.problem.marginals import Normal, Tabulated, Uniform
from mfpde.problem.network import Knots, Network
from mfpde.schemes.solver import Solver
from mfpde.tables.dynamics import Dynamics
from mfpde.tables.sgd import Sgd
from mfpde.tables.time import LogSave, Time

VALID = Experiment()
MISTAKES: list[tuple[Callable[[], object], dict[str, dict[str, Any]], int]] = [
    (lambda: replace(VALID.data, delta=7), {"data": {"delta": 7}}, 1),  # type: ignore[type-var]
    (lambda: GaussianMixture(dims=(0, 3), delta=-0.1), {"data": {"dims": [0, 3], "delta": -0.1}}, 2),
    (lambda: GaussianMixture(scales=((1.8, 0.2),)), {"data": {"scales": [[1.8, 0.2]]}}, 1),
    (
        lambda: GaussianMixture(delta=0.5, scales=((1.8, 0.2), (1.0, 1.0))),
        {"data": {"delta": 0.5, "scales": [[1.8, 0.2], [1.0, 1.0]]}},
        1,
    ),
    (lambda: GaussianMixture(dims="infinite"), {"data": {"dims": "infinite"}}, 1),
    (
        lambda: GaussianBumps((1.0, 2.0), (0.5, 0.6), width=0.0),
        {"data": {"law": "gaussian-bumps", "centres": [1.0, 2.0], "weights": [0.5, 0.6], "width": 0.0}},
        2,
    ),
    (lambda: Network("tahn", coefficients="free"), {"network": {"activation": "tahn", "coefficients": "free"}}, 2),
    (
        lambda: Network(Knots((1.0, 0.0), (1.0, 2.0))),
        {"network": {"activation": {"knots": [1.0, 0.0], "values": [1.0, 2.0]}}},
        1,
    ),
    (
        lambda: MixtureInitial(kappa=0.5, radius=Uniform(0.2, 1.0)),
        {"initial": {"kappa": 0.5, "radius": {"uniform": [0.2, 1.0]}}},
        1,
    ),
    (lambda: MixtureInitial(a=Normal(0.0, -1.0)), {"initial": {"a": {"normal": [0.0, -1.0]}}}, 1),
    (
        lambda: Dynamics(flow="fisher", ridge=-1.0, inverse_temperature=0.0),
        {"dynamics": {"flow": "fisher", "ridge": -1.0, "inverse_temperature": 0.0}},
        3,
    ),
    (lambda: Dynamics(fisher_rao_rate=2.0), {"dynamics": {"fisher_rao_rate": 2.0}}, 1),
    (lambda: replace(VALID.time, end=-1), {"time": {"end": -1}}, 1),
    (lambda: Time(end=2.0, save=(0.0, 3.0)), {"time": {"end": 2.0, "save": [0.0, 3.0]}}, 1),
    (lambda: Time(stationary_tolerance=1e-3), {"time": {"stationary_tolerance": 1e-3}}, 1),
    (lambda: replace(VALID.solver, scheme="eulr"), {"solver": {"scheme": "eulr"}}, 1),
    (lambda: Solver(tolerance=0.0, step=-1.0), {"solver": {"tolerance": 0.0, "step": -1.0}}, 2),
    (lambda: Solver().having(order=3, cells=(1,)), {"solver": {"order": 3, "cells": [1]}}, 2),
    (lambda: Solver(options=(("cels", 3),)), {"solver": {"cels": 3}}, 1),
    (lambda: Sgd(neurons=0, step_size=0.0, seed=-1), {"sgd": {"neurons": 0, "step_size": 0.0, "seed": -1}}, 3),
    (lambda: Sgd(neurons=True), {"sgd": {"neurons": True}}, 1),
    (
        lambda: replace(VALID, dynamics=Dynamics(inverse_temperature=10.0)),
        {"dynamics": {"inverse_temperature": 10.0}},
        1,
    ),
    (
        lambda: replace(VALID, initial=MixtureInitial(b=0.5), solver=Solver(scheme="jko").having(cells=(3, 3, 3))),
        {"initial": {"b": 0.5}, "solver": {"scheme": "jko", "cells": [3, 3, 3]}},
        2,
    ),
    (
        lambda: replace(VALID, data=GaussianBumps(width=0.01), initial=BumpInitial()),
        {"data": {"law": "gaussian-bumps", "width": 0.01}},
        2,
    ),
]


@pytest.mark.parametrize(("made", "tables", "count"), MISTAKES)
def test_what_a_file_may_not_say_cannot_be_made(
    made: Callable[[], object], tables: dict[str, dict[str, Any]], count: int
) -> None:
    """The messages are those of the file, as many of them."""
    with pytest.raises(ConfigurationError) as here:
        made()
    with pytest.raises(ConfigurationError) as read:
        parse({"data": {}, "network": {}, **tables})
    assert len(here.value.messages) == count
    assert set(here.value.messages) == set(read.value.messages)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: GaussianMixture(delta=None), "data.delta: is missing; write for example delta = 0.8"),
        (lambda: MixtureInitial(kappa=None), "initial.kappa: is missing"),
        (lambda: replace(VALID, time=3.0), "time: is float; write Time(...)"),  # type: ignore[arg-type]
        (lambda: replace(VALID, data=GaussianBumps()), "initial: is MixtureInitial; write BumpInitial(...)"),
        (
            lambda: replace(VALID, data=GaussianBumps(), initial=None, network=Network("tanh")),
            'network.activation: unused by data.law = "gaussian-bumps"',
        ),
        (lambda: Dynamics(schedule="fast"), 'dynamics.schedule = "fast": must be a number'),  # type: ignore[arg-type]
        (lambda: Time(save="all"), "must be an integer"),  # type: ignore[arg-type]
        (lambda: MixtureInitial(a="fast"), 'initial.a = "fast": no law has this name'),  # type: ignore[arg-type]
        (lambda: MixtureInitial(a=np.tanh), "must be a number"),  # type: ignore[arg-type]
    ],
)
def test_what_no_file_could_say_is_refused_in_words(made: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        made()
    assert words in str(refused.value)


def test_values_are_held_as_a_file_gives_them() -> None:
    """Numbers of NumPy, lists and integers become what the reader makes of them; so do keys that others rule out."""
    assert (Sgd(neurons=np.int64(5)).neurons, type(Sgd(neurons=np.int64(5)).neurons)) == (5, int)  # type: ignore[arg-type]
    assert Time(end=2, save=[0, 1]) == Time(end=2.0, save=(0.0, 1.0))  # type: ignore[arg-type]
    assert Time(until="stationary").stationary_tolerance == 1e-6
    assert GaussianMixture(scales=[[1.8, 0.2]], dims=[40]) == GaussianMixture(None, ((1.8, 0.2),), (40,))  # type: ignore[arg-type]
    assert Dynamics(schedule=0.5).schedule == mfpde.Schedule(0.5)  # type: ignore[arg-type]
    assert MixtureInitial(radius=Uniform(0.2, 1.0)).kappa is None
    assert GaussianBumps((1.0, 2.0)).weights == (0.5, 0.5)


@pytest.mark.parametrize(
    "experiment",
    [
        VALID,
        Experiment(data=GaussianMixture(dims="infinite", fractions=(0.25, 0.75)), time=Time(5.0, LogSave(9, 0.1))),
        Experiment(
            data=GaussianMixture(scales=((1.8, 0.2), (1.0, 0.5)), dims=(3, 4)),
            network=Network(Knots((0.0, 1.0), (0.0, 2.0)), "trained", "fixed"),
            initial=MixtureInitial(radius=Tabulated((0.2, 1.0), (1.0, 0.5)), a=Normal(1.0, 0.5), b=0.3),
            dynamics=Dynamics("wasserstein-fisher-rao", 2.0, ridge=0.1),
            solver=Solver("jko").having(atoms=(9,)),
        ),
        Experiment(data=GaussianBumps((1.0, 2.0), width=0.4), initial=BumpInitial(Uniform(-1.0, 1.0))),
    ],
)
def test_what_can_be_made_can_be_written_and_read(experiment: Experiment) -> None:
    assert parse(to_tables(experiment)) == experiment


def test_what_only_python_can_say_is_kept() -> None:
    unit = mfpde.PiecewiseLinear.through((0.0, 1.0), (0.0, 1.0))
    assert replace(Network(unit), offsets="fixed").activation is unit
    assert replace(VALID, network=Network(unit)).network.activation is unit


@dataclass(frozen=True)
class Own(Checked):
    """A table of one's own, with a value that is no key."""

    table = "own"

    width: float = key(1.0, Number(POSITIVE), "a width")
    words: str = "none"


def test_a_table_of_ones_own_is_checked_too() -> None:
    assert Own(2, "some") == Own(2.0, "some")
    with pytest.raises(ConfigurationError, match=r"own\.width = -1: must be a number, finite and above 0"):
        Own(-1)
