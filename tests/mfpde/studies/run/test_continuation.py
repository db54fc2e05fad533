"""Runs that go on to a later end than the one they were begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.errors import ConfigurationError

QUICK: dict[str, Any] = {"scheme": "characteristics", "tolerance": 1e-6}
SMALL: dict[str, Any] = {"workers": 1, "overrides": ["data.dims=[10]", "sgd.neurons=6", "sgd.step_size=1e-3"]}


class Interruption:
    """Progress that interrupts once a share of the work is done."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, text: str, fraction: float = 0.0) -> None:
        if self.share <= fraction < 1.0:
            raise KeyboardInterrupt


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["characteristics", "particles", "finite-volume", "jko"])
def test_a_finished_run_goes_on_to_a_later_end(scheme: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scheme": scheme, "tolerance": 1e-5, **({"step": 0.05} if scheme == "jko" else {})}
    path = tmp_path / "run.nc"
    first = mfpde.solve("nonmonotone-failure", path, end=0.5, save=3, **options)
    longer = mfpde.solve("nonmonotone-failure", path, end=1.0, save=6, resume=True, **options)
    assert longer.status == "success"
    np.testing.assert_array_equal(longer.time, [0.0, 0.25, 0.5, 0.6, 0.8, 1.0])
    np.testing.assert_array_equal(longer.risk[:3], first.risk)
    whole = mfpde.solve("nonmonotone-failure", end=1.0, save=6, **options)
    assert abs(longer.risk[-1] - whole.risk[-1]) <= 3.0 * (longer.risk_error[-1] + whole.risk_error[-1])
    # what is there is there: the same again computes nothing
    again = mfpde.solve("nonmonotone-failure", path, end=1.0, save=6, resume=True, **options)
    assert again.wall_seconds == longer.wall_seconds
    assert mfpde.load(path).status == "success"


def test_an_interrupted_continuation_goes_on_bit_for_bit_and_again_later(tmp_path: Path) -> None:
    cut, straight = tmp_path / "cut.nc", tmp_path / "straight.nc"
    for path in (cut, straight):
        mfpde.solve("isotropic-gaussians", path, end=1.0, save=3, **QUICK)
    longer: dict[str, Any] = {"end": 3.0, "save": 7, "resume": True, **QUICK}
    stopped = mfpde.solve("isotropic-gaussians", cut, progress=Interruption(0.6), **longer)
    assert stopped.status == "interrupted"
    mended = mfpde.solve("isotropic-gaussians", cut, **longer)
    whole = mfpde.solve("isotropic-gaussians", straight, **longer)
    for name in ("time", "risk", "risk_error", "free_energy", "position", "weight"):
        np.testing.assert_array_equal(getattr(mended, name), getattr(whole, name))
    np.testing.assert_array_equal(whole.time, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    last = mfpde.solve("isotropic-gaussians", cut, end=4.0, save=(4.0,), resume=True, **QUICK)
    np.testing.assert_array_equal(last.time, [*whole.time, 4.0])


def test_the_grid_stays_and_a_law_that_leaves_it_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    options: dict[str, Any] = {"scheme": "finite-volume", "cells": 64, "save": 2}
    mfpde.solve("nonmonotone-success", path, end=0.01, **options)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"time.end: the law leaves the grid or table of the file about t = "):
        mfpde.solve("nonmonotone-success", path, end=20.0, resume=True, **options)
    assert path.read_bytes() == before


def test_an_earlier_end_and_other_values_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    mfpde.solve("isotropic-gaussians", path, end=1.0, save=3, **QUICK)
    for change, words in (
        ({"end": 0.5}, r"time\.end"),
        ({"end": 2.0, "overrides": ["data.delta=0.7"]}, r"data\.delta"),
    ):
        with pytest.raises(ConfigurationError, match=f"differs in .*{words}.*or a later time.end"):
            mfpde.solve("isotropic-gaussians", path, save=3, resume=True, **{**QUICK, **change})


def test_replicas_of_sgd_go_on_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    first = mfpde.sgd("isotropic-gaussians", path, end=0.1, save=3, **SMALL)
    longer = mfpde.sgd("isotropic-gaussians", path, end=0.3, save=4, resume=True, **SMALL)
    whole = mfpde.sgd("isotropic-gaussians", end=0.3, save=(0.0, 0.05, 0.1, 0.2, 0.3), **SMALL)
    np.testing.assert_array_equal(longer.risk[:, :3], first.risk)
    for name in ("time", "risk", "position"):
        np.testing.assert_array_equal(getattr(longer, name), getattr(whole, name))


@pytest.mark.long
def test_a_comparison_goes_on_and_one_that_was_killed_too(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    options: dict[str, Any] = {**SMALL, "scheme": "characteristics", "tolerance": 1e-5, "coupled": False}
    mfpde.compare("isotropic-gaussians", path, end=0.1, save=3, **options)
    # as a kill leaves it while the equation is solved: the file beside it alone
    path.unlink()
    mended = mfpde.compare("isotropic-gaussians", path, end=0.1, save=3, resume=True, **options)
    assert mended.status == "success"
    longer = mfpde.compare("isotropic-gaussians", path, end=0.2, save=3, resume=True, **options)
    np.testing.assert_allclose(longer.sgd.time, [0.0, 0.05, 0.1, 0.2])
    np.testing.assert_array_equal(longer.pde.time, longer.sgd.time)


def test_an_interruption_while_the_equation_is_solved_ends_a_comparison(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    options: dict[str, Any] = {**SMALL, "scheme": "characteristics", "end": 0.1, "save": 3}
    cut = mfpde.compare("isotropic-gaussians", path, progress=Interruption(0.3), **options)
    assert cut.status == "interrupted"
    assert not path.exists()
    assert cut.to_json()["risk_sgd"] == [[None, None, None]]
    assert mfpde.compare("isotropic-gaussians", path, resume=True, **options).status == "success"
