"""Too little memory: refused before anything is computed where it is known, else told with the key that helps."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.results.answers.solve import SolveResult
from mfpde.schemes.memory import refuse_atoms, refuse_cells
from mfpde.shell import memory
from mfpde.shell.progress import silent
from mfpde.shell.tasks import reason
from mfpde.solvers.characteristics.panels import LabelLaw
from mfpde.solvers.flow import time_loop
from mfpde.studies.bounds.design import make_design
from mfpde.studies.run import run
from mfpde.studies.sgd import replicas

GIB = 2.0**30
compare = importlib.import_module("mfpde.studies.compare.compare")
coupled = importlib.import_module("mfpde.studies.compare.coupled")
SMALL = ("isotropic-gaussians", "--set", "data.dims=10", "--set", "time.end=1", "--set", "time.save=2", "--quiet")
COMMANDS = {
    "solve --scheme finite-volume": ("mfpde.studies.solve", "solve", "fewer solver.cells, or fewer time.save"),
    "solve --scheme characteristics": ("mfpde.studies.solve", "solve", "a larger solver.tolerance, or fewer time.save"),
    "solve --scheme particles": ("mfpde.studies.solve", "solve", "fewer solver.atoms, or fewer time.save"),
    "sgd": ("mfpde.studies.sgd.replicas", "sgd", "fewer sgd.neurons"),
    "compare": ("mfpde.studies.compare.compare", "compare", "fewer sgd.neurons"),
    "bounds": ("mfpde.studies.bounds.bounds", "bounds", "fewer --neurons"),
    "optimum": ("mfpde.studies.optimum.optimum", "optimum", "a smaller --radius"),
    "stationary": ("mfpde.studies.stationary.stationary", "stationary", "a smaller --radius"),
    "branches --vary data.delta=0.2:0.4": ("mfpde.studies.branches.branches", "branches", "a smaller --radius"),
    "basins --vary initial.kappa=1:2:2": ("mfpde.studies.basins.basins", "basins", "fewer --workers"),
    "convergence": ("mfpde.studies.convergence", "convergence", "fewer --levels"),
}


def exhausted(*given: Any, **named: Any) -> None:
    raise MemoryError("Unable to allocate 9.00 GiB")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_the_key_that_helps(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, name, expected = COMMANDS[command]
    monkeypatch.setattr(importlib.import_module(module), name, exhausted)
    first, *others = command.split()
    assert main([first, SMALL[0], *others, *SMALL[1:]]) == 3
    told = capsys.readouterr().err
    assert "out of memory (Unable to allocate 9.00 GiB); write " in told
    assert expected in told
    if first not in ("compare", "convergence"):
        assert ("solver.cells" in told) == ("cells" in expected)


@pytest.mark.long
def test_a_run_whose_memory_ends_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    integrate, calls = time_loop.integrate, iter(range(1000))
    monkeypatch.setattr(
        run, "integrate", lambda *given, **named: (exhausted, integrate)[next(calls) < 60](*given, **named)
    )
    overrides = ["data.dims=10", "time.end=1", "time.save=3", "solver.scheme=finite-volume", "solver.cells=32"]
    result = mfpde.solve(SMALL[0], tmp_path / "run.nc", overrides=overrides)
    assert result.status == "failed"
    assert ": out of memory (Unable to allocate 9.00 GiB); write fewer solver.cells" in str(
        result.attributes["message"]
    )
    assert 1 <= len(SolveResult.load(tmp_path / "run.nc").time) < 3


def test_a_replica_whose_memory_ends_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "record", exhausted)
    overrides = ["data.dims=10", "time.end=0.01", "time.save=2", "sgd.neurons=5", "sgd.step_size=0.001"]
    result = mfpde.sgd(SMALL[0], overrides=overrides, workers=1)
    assert result.status == "failed"
    assert "write fewer sgd.neurons, sgd.replicas" in str(result.attributes["message"])


def test_a_task_whose_memory_ends_names_the_workers() -> None:
    assert reason(MemoryError()) == "out of memory; write fewer --workers"


@pytest.mark.parametrize(
    ("overrides", "workers", "there", "key", "remedy"),
    [
        (["sgd.neurons=100000", "data.dims=100000"], 1, 64.0, "sgd.neurons", "fewer sgd.neurons"),
        (["sgd.neurons=200000", "sgd.replicas=8"], 4, 2.0, "sgd.neurons", "--workers"),
        (["sgd.neurons=2000", "data.dims=100000"], 1, 4.0, "sgd.neurons", "sgd.replicas"),
        (["sgd.neurons=20000", "sgd.state=gram", "data.dims=100000"], 1, 15.0, "sgd.neurons", "fewer sgd.neurons"),
        (["sgd.replicas=400", "sgd.neurons=1000", "time.save=100"], 1, 1.0, "time.save", "fewer times"),
        (["sgd.replicas=100", "sgd.neurons=10"], 100, 16.0, "--workers", "fewer"),
    ],
)
def test_sgd_says_beforehand_what_does_not_fit(
    overrides: list[str], workers: int, there: float, key: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: there * GIB)
    with pytest.raises(ConfigurationError) as refusal:
        mfpde.sgd(SMALL[0], overrides=["data.dims=10", "time.save=2", "time.end=1", *overrides], workers=workers)
    (told,) = refusal.value.messages
    assert told.startswith(f"{key}: this needs ")
    assert f"there are {there:.3g} GiB" in told
    assert remedy in told


def test_what_fits_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """800 neurons in 10^4 coordinates hold 64 MB a copy; fewer processes need less, a cluster's none here.

    10^5 neurons in 10 coordinates need what the bands of their pairs take, 0.4 GiB, and not 10^10 pairs.
    """
    from mfpde.studies.sgd.refusals import refuse

    big = mfpde.experiment_of(SMALL[0], overrides=["data.dims=10000", "sgd.replicas=4", "time.save=2"])
    monkeypatch.setattr(memory, "available", lambda: 2.0 * GIB)
    refuse(big, workers=1)
    refuse(mfpde.experiment_of(SMALL[0], overrides=["data.dims=10", "sgd.neurons=100000", "time.save=2"]), workers=1)
    with pytest.raises(ConfigurationError, match="--workers"):
        refuse(big, workers=4)


def test_bounds_and_compare_say_it_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1.0 * GIB)
    assert main(["bounds", *SMALL, "--neurons", "100,20000"]) == 2
    assert "--neurons: this needs" in capsys.readouterr().err
    assert main(["compare", *SMALL, "--set", "sgd.neurons=5000"]) == 2
    assert "sgd.neurons: this needs" in capsys.readouterr().err


def test_bounds_counts_its_workers_and_the_gradients_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 numbers a pair of 5000 neurons are 1.5 GiB for each of the processes."""
    small = mfpde.experiment_of(SMALL[0], overrides=["data.dims=10", "time.save=2", "sgd.replicas=4"])
    for there, workers, fits in ((2.5, 1, True), (1.4, 1, False), (2.5, 2, False), (4.0, 2, True), (4.0, 4, False)):
        monkeypatch.setattr(memory, "available", lambda there=there: there * GIB)
        if fits:
            make_design(small, [100, 5000], workers=workers)
        else:
            with pytest.raises(ConfigurationError, match=r"--neurons: this needs .* for the pairs of neurons"):
                make_design(small, [100, 5000], workers=workers)


def test_compare_counts_the_coupled_dynamics_only_where_they_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With noise they are left out: what they need of 4000 neurons, 1 GiB, is not asked for."""
    monkeypatch.setattr(memory, "available", lambda: 0.9 * GIB)
    monkeypatch.setattr(compare, "solve", exhausted)
    overrides = ["data.dims=10", "time.save=2", "time.end=1", "sgd.neurons=4000", "solver.scheme=finite-volume"]
    with pytest.raises(ConfigurationError, match=r"sgd\.neurons: this needs"):
        mfpde.compare(SMALL[0], overrides=overrides, workers=1)
    noise = ["dynamics.inverse_temperature=50", "dynamics.ridge=0.1"]
    for given in ({"overrides": [*overrides, *noise]}, {"overrides": overrides, "coupled": False}):
        with pytest.raises(MemoryError):
            mfpde.compare(SMALL[0], workers=1, **given)


@pytest.mark.parametrize("steps", [0, 2])
def test_coupled_dynamics_keep_what_they_have_where_memory_ends(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    overrides = ["data.dims=6", "time.end=0.003", "time.save=3", "sgd.neurons=5", "sgd.step_size=0.001"]
    experiment = mfpde.experiment_of(SMALL[0], overrides=overrides)

    def work(walk: Any) -> None:
        walk.rows.values.extend([(0.0,) * 10] * steps)
        exhausted()

    monkeypatch.setattr(coupled._Walk, "work", work)
    told = compare._coupled(experiment, silent)
    assert (told["status"], len(told["time"])) == ("failed", steps)
    assert "out of memory (Unable to allocate 9.00 GiB); write fewer sgd.neurons" in told["notes"][-1]


@pytest.mark.long
@pytest.mark.parametrize(
    ("overrides", "there", "key"),
    [
        (["solver.scheme=finite-volume", "solver.cells=4000"], 7.0, "solver.cells"),
        (["solver.scheme=characteristics", "solver.atoms=4000"], 4.5, "solver.atoms"),
        (["solver.scheme=jko", "solver.atoms=4000"], 5.0, "solver.atoms"),
    ],
)
def test_grids_and_atoms_say_beforehand_what_does_not_fit(
    overrides: list[str], there: float, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some 45 numbers on 1.3 4000^2 cells, 32 at least on 1.25 4000^2 atoms."""
    monkeypatch.setattr(memory, "available", lambda: there * GIB)
    with pytest.raises(ConfigurationError) as refusal:
        mfpde.solve("anisotropic-relu", overrides=["time.end=0.1", "solver.tolerance=1e-5", *overrides])
    (said,) = refusal.value.messages
    assert said.startswith(f"{key}: this needs ")
    assert f"write fewer {key}" in said


def test_what_fits_on_a_grid_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same count one way and the other of what there is."""
    cells = 8.0 * (7 + 40) * (300**2 + 150**2 + 75**2)
    for share, fits in ((1.01, True), (0.99, False)):
        monkeypatch.setattr(memory, "available", lambda share=share: share * cells + memory.PROCESS)
        if fits:
            refuse_cells([(300, 300), (150, 150), (75, 75)], 7)
        else:
            with pytest.raises(ConfigurationError, match=r"solver.cells: .* write fewer solver.cells"):
                refuse_cells([(300, 300), (150, 150), (75, 75)], 7)


def test_weights_beyond_a_variable_of_a_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: float("inf"))
    overrides = ["data.dims=20000", "sgd.neurons=20000", "time.save=2"]
    with pytest.raises(ConfigurationError, match="exceed the 2 GB of one variable"):
        mfpde.sgd(SMALL[0], tmp_path / "run.nc", overrides=overrides)


def test_a_container_may_have_less_than_the_machine(tmp_path: Path) -> None:
    """Its limit is that of a control group above its own."""
    machine = memory.available(tmp_path)
    assert 2.0**26 < machine < 2.0**50
    assert memory.available() <= machine
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/pod/own").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/pod/own\n")
    for text, expected in (("1073741824\n", GIB), ("max\n", machine), ("0\n", machine)):
        (tmp_path / "sys/fs/cgroup/pod/memory.max").write_text(text)
        assert memory.available(tmp_path) == expected


def test_atoms_of_laws_of_many_values_are_counted_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """900 coefficients at 6 nodes of 22 stretches of the radius or more, in two coordinates at 41 times: .1 GB."""
    tables = {
        "data": {"dims": [40], "delta": 0.5},
        "network": {"activation": "erf", "coefficients": "trained"},
        "initial": {
            "radius": {"table": [[0.1 * k for k in range(1, 24)], [1.0] * 23]},
            "a": {"values": [0.001 * k for k in range(900)]},
        },
        "solver": {"scheme": "characteristics"},
    }
    monkeypatch.setattr("mfpde.schemes.memory.PROCESS", 0.0)
    monkeypatch.setattr("mfpde.schemes.guide.characteristics_of", exhausted)
    for there, expected in ((108e6, ConfigurationError), (110e6, MemoryError)):
        monkeypatch.setattr(memory, "available", lambda there=there: there)
        with pytest.raises(expected) as refusal:
            mfpde.solve(mfpde.experiment_of(parse(tables)))
    monkeypatch.setattr(memory, "available", lambda: 108e6)
    with pytest.raises(ConfigurationError) as refusal:
        mfpde.solve(mfpde.experiment_of(parse(tables)))
    (said,) = refusal.value.messages
    assert said.startswith("initial: this needs 0.101 GiB of memory, 0.101 GiB of it for 1.19e+05 atoms at 41 times")
    assert said.endswith("write fewer values and knots in the laws of [initial]")


def test_panels_are_counted_as_many_as_they_may_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adaptive ones up to 40000 atoms each run with 16 numbers a coordinate, and their features with births."""
    law = LabelLaw((np.linspace(0.0, 1.0, 5),), np.ones_like, np.ones_like)
    numbers = 8.0 * 2 * 40_000 * (2 * 16 + 70)
    for share, fits in ((1.01, True), (0.99, False)):
        monkeypatch.setattr(memory, "available", lambda share=share: share * numbers + memory.PROCESS)
        if fits:
            refuse_atoms((law, law), (10, 7), (None, None), 70, 2)
        else:
            with pytest.raises(ConfigurationError, match=r"initial: .* or a larger solver\.tolerance"):
                refuse_atoms((law, law), (10, 7), (None, None), 70, 2)


def test_atoms_of_labels_that_take_values_are_counted() -> None:
    law = LabelLaw((np.linspace(0.0, 1.0, 5), np.array([0.0, 1.0])), np.ones_like, np.ones_like, (), (np.arange(7.0),))
    assert law.atoms(10) == 40 * 10 * 7
    assert law.atoms(10, (64, 25)) == 70 * 30 * 7
