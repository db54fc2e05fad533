"""Files that somebody or something changed: known by their checksum, and where that is right too, by what they say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import netcdf_file

import mfpde
from mfpde.commands.main import main
from mfpde.errors import ResultFileError
from mfpde.results.answer import Recorded
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.results.files import netcdf_file as files
from mfpde.shell.checksum import KEY

NARROW: dict[str, Any] = {"end": 1.0, "save": 3, "overrides": ["data.dims=[10]", "sgd.neurons=6", "sgd.replicas=2"]}
Change = Callable[[dict[str, Any], dict[str, Any]], None]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished file of every kind, and interrupted ones that can be gone on from."""
    folder = tmp_path_factory.mktemp("runs")
    found = {name: folder / f"{name}.nc" for name in ("atoms", "grid", "sgd", "cut-atoms", "cut-grid", "cut-sgd")}

    def interrupt(text: str, fraction: float = 0.0) -> None:
        if 0.4 < fraction < 1.0:
            raise KeyboardInterrupt

    cut: dict[str, Any] = {"progress": interrupt}
    whole: dict[str, Any] = {}
    for prefix, options in (("", whole), ("cut-", cut)):
        mfpde.solve("isotropic-gaussians", found[f"{prefix}atoms"], scheme="characteristics", **NARROW, **options)
        grid = {**NARROW, "cells": 128}
        mfpde.solve("isotropic-gaussians", found[f"{prefix}grid"], scheme="finite-volume", **grid, **options)
        mfpde.sgd("isotropic-gaussians", found[f"{prefix}sgd"], workers=1, **NARROW, **options)
    return found


def rewritten(path: Path, change: Change, sealed: bool) -> None:
    """Change the attributes and variables of a file; `sealed` with the checksum that then fits."""
    with netcdf_file(path, "r", mmap=False) as file:
        attributes = dict(file._attributes)
        arrays = {name: np.array(variable.data) for name, variable in file.variables.items()}
        described = {name: (v.dimensions, dict(v._attributes)) for name, v in file.variables.items()}
        lengths = dict(file.dimensions)
    change(attributes, arrays)
    with netcdf_file(path, "w", version=2) as file:
        for name, length in lengths.items():
            file.createDimension(name, length)
        for name, (dimensions, own) in described.items():
            if name not in arrays:
                continue
            variable = file.createVariable(name, arrays[name].dtype, dimensions)
            variable[...] = arrays[name]
            for key, value in own.items():
                setattr(variable, key, value)
        for key, value in attributes.items():
            setattr(file, key, value)
        if sealed:
            setattr(file, KEY, files._checksum(file).encode("ascii"))


def put(where: str, index: Any, value: float) -> Change:
    """Set numbers of a variable."""

    def change(attributes: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays[where][index] = value

    return change


def scaled(where: str, factor: float) -> Change:
    """Multiply a variable."""

    def change(attributes: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays[where] = arrays[where] * factor

    return change


def said(key: str, old: str, new: str) -> Change:
    """Change a text among the attributes."""

    def change(attributes: dict[str, Any], arrays: dict[str, Any]) -> None:
        text = attributes[key].decode("utf-8")
        assert old in text
        attributes[key] = text.replace(old, new).encode("utf-8")

    return change


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("atoms", said("configuration", "delta = 0.8", "delta = 0.7")),
        ("atoms", said("status", "success", "running")),
        ("atoms", said("scheme", "characteristics", "finite-volume")),
        ("atoms", said("coordinates_of_the_law", "r1", "r7")),
        ("grid", put("risk", 1, 0.5)),
        ("sgd", said("configuration", "seed = 0", "seed = 1")),
        ("sgd", put("position", (0, 1, 2, 0), 1.0)),
        ("cut-atoms", said("message", "interrupted", "finished")),
        ("cut-grid", put("checkpoint_main_array_mass", 3, 0.25)),
    ],
)
def test_any_change_is_seen(runs: Mapping[str, Path], kind: str, change: Change, tmp_path: Path) -> None:
    path = Path(shutil.copy(runs[kind], tmp_path))
    rewritten(path, lambda attributes, arrays: None, sealed=False)
    assert isinstance(mfpde.load(path), Recorded)
    rewritten(path, change, sealed=False)
    with pytest.raises(ResultFileError, match="damaged: its content is not what was written; run it again"):
        mfpde.load(path)


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("atoms", put("time", 1, np.nan), "times that are none"),
        ("atoms", put("time", 1, 7.0), "times that are not increasing"),
        ("atoms", put("risk", 2, np.inf), "a risk that is not finite"),
        ("atoms", put("risk_error", 2, -1.0), "an error of the risk that is none"),
        ("atoms", put("weight", (1, 0), -0.1), "atoms of negative weight"),
        ("atoms", put("position", (1, slice(None), 0), np.nan), "atoms at no place"),
        ("atoms", scaled("weight", 2.0), "laws whose masses do not sum to what is told"),
        ("atoms", scaled("mass", 2.0), "laws whose mass is not 1"),
        ("grid", put("density", (1, 5), -1.0), "a negative density"),
        ("grid", put("density", (1, 5), np.nan), "a negative density"),
        ("grid", scaled("density", 2.0), "laws whose masses do not sum to what is told"),
        ("grid", scaled("r1_edges", -1.0), "cells of r1 in reversed order"),
        ("sgd", put("time", 0, -1.0), "times that are none"),
        ("sgd", put("risk", (0, 1), np.nan), "replicas with a gap between their times"),
        ("sgd", put("position", (1, 1, 0, 0), np.nan), "neurons at no place"),
    ],
)
def test_what_no_run_could_have_written_is_refused_by_name(
    runs: Mapping[str, Path], kind: str, change: Change, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(runs[kind], tmp_path))
    rewritten(path, change, sealed=True)
    with pytest.raises(ResultFileError, match=f"holds {words}; run it again with --force"):
        mfpde.load(path)
    commands = [["plot", str(path), "-o", str(tmp_path / "x.png")]]
    if kind != "sgd":
        commands += [["distance", str(path), str(path)], ["stationary", "--from", str(path)]]
    for command in commands:
        assert main(command) == 2
        assert f"holds {words}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("cut-atoms", scaled("checkpoint_main_array_masses", 2.0), "a state of mass 2"),
        ("cut-atoms", put("checkpoint_main_array_positions", 3, np.nan), "numbers in positions that are none"),
        ("cut-atoms", put("checkpoint_main_clock", 0, 0.0), "a state at another time"),
        ("cut-atoms", put("checkpoint_main_clock", 1, -1.0), "a step that is none"),
        ("cut-atoms", put("checkpoint_audit", 0, 0.123), "an audit at other times"),
        ("cut-atoms", put("time", 0, 1e-3), "other times than were asked for"),
        ("cut-grid", put("checkpoint_main_array_mass", 9, -0.1), "a state of"),
        ("cut-grid", put("checkpoint_companion_array_mass", 9, np.inf), "numbers in mass that are none"),
        ("cut-grid", lambda attributes, arrays: arrays.pop("checkpoint_main_array_mass"), "a state of another scheme"),
        ("cut-sgd", put("checkpoint_w_0", 2, np.nan), "numbers in w that are none"),
        ("cut-sgd", put("checkpoint_step_1", 0, 10**6), "a state at another step"),
        ("cut-sgd", lambda attributes, arrays: arrays.pop("checkpoint_a_0"), "an array a of another form"),
    ],
)
def test_a_checkpoint_that_no_run_left_is_refused_by_name(
    runs: Mapping[str, Path], kind: str, change: Change, words: str, tmp_path: Path
) -> None:
    path = Path(shutil.copy(runs[kind], tmp_path))
    rewritten(path, change, sealed=True)
    before = path.read_bytes()
    scheme: dict[str, Any] = {"cut-atoms": {"scheme": "characteristics"}, "cut-sgd": {}}.get(
        kind, {"scheme": "finite-volume", "cells": 128}
    )
    study: Callable[..., SolveResult | SgdResult] = mfpde.sgd if kind == "cut-sgd" else mfpde.solve
    with pytest.raises(ResultFileError, match=f"holds {words}.*run it again with --force"):
        study("isotropic-gaussians", path, resume=True, **scheme, **NARROW)
    assert path.read_bytes() == before


@pytest.mark.parametrize("added", [b"\0", b"\n", b"CDF\2", bytes(4096)])
def test_what_follows_a_whole_file_is_refused_by_every_command(
    runs: Mapping[str, Path], added: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The numbers and their checksum are right then: the length alone tells."""
    for kind, study in (("cut-atoms", "solve"), ("cut-grid", "solve"), ("cut-sgd", "sgd")):
        path = Path(shutil.copy(runs[kind], tmp_path))
        path.write_bytes(before := path.read_bytes() + added)
        commands = [["plot", str(path), "-o", str(tmp_path / "x.png")], ["stationary", "--from", str(path)]]
        commands.append([study, "isotropic-gaussians", "-o", str(path), "--resume"])
        if study == "solve":
            commands += [["distance", str(path), str(path)], ["predict", str(path), str(tmp_path / "x.csv")]]
        else:
            commands.append(["compare", "isotropic-gaussians", "-o", str(path), "--resume"])
        for command in commands:
            assert main(command) == 2
            words = f"damaged: its content is not what was written; {len(added)} bytes follow it; run it again"
            assert words in capsys.readouterr().err
        assert path.read_bytes() == before
        assert not (tmp_path / "x.png").exists()


def test_one_changed_digit_of_a_json_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    mfpde.optimum("nonmonotone-failure", output=path)
    assert mfpde.load(path).status == "success"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(dict(reversed(content.items())), indent=1), "utf-8")
    assert mfpde.load(path).status == "success"
    path.write_text(json.dumps({**content, "radius": 11.0}), "utf-8")
    with pytest.raises(ResultFileError, match="damaged: its content is not what was written"):
        mfpde.load(path)
    for added in (b"\0", b"{}", b"x", b"\xff"):
        path.write_bytes(json.dumps(content).encode() + b"\n" + added)
        with pytest.raises(ResultFileError, match="no whole JSON object"):
            mfpde.load(path)


def test_texts_of_a_file_do_not_steer_the_terminal(
    runs: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(runs["cut-atoms"], tmp_path))
    rewritten(path, said("message", "interrupted", "\x1b[2Jgone\x07"), sealed=True)
    run = mfpde.load(path)
    assert isinstance(run, SolveResult)
    assert run.message.startswith(r"\x1b[2Jgone\x07")
    assert "\x1b" not in "".join(map(str, run.attributes.values())) + capsys.readouterr().out
