"""The law of a result at a save time: its moments are those recorded, in memory and from the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.space.measure import Atoms, Cells
from mfpde.studies.solve import solve
from tests.mfpde.decaying import Chosen, DecayingAtoms

ISOTROPIC = {
    "data": {"dims": [40], "delta": 0.8},
    "network": {"activation": {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}},
    "time": {"end": 2.0, "save": [0.0, 0.3, 2.0]},
}


@pytest.mark.parametrize("scheme", ["finite-volume", "characteristics"])
def test_the_law_has_the_moments_that_were_recorded(scheme: str, tmp_path: Path) -> None:
    solver = {"scheme": scheme, "cells": [96]} if scheme == "finite-volume" else {"scheme": scheme}
    path = tmp_path / "run.nc"
    result = solve(parse({**ISOTROPIC, "solver": solver}), output=path)
    for known in (result, SolveResult.load(path)):
        for row, time in enumerate((0.0, 0.3, 2.0)):
            law = known.law(time * (1.0 + 1e-12))
            assert isinstance(law, Cells if scheme == "finite-volume" else Atoms)
            assert law.names == ("r1",)
            assert law.mass == pytest.approx(1.0, rel=1e-13)
            np.testing.assert_allclose(law.mean, known.mean[row], rtol=1e-13)
            np.testing.assert_allclose(law.variance, known.variance[row], rtol=1e-11)
            np.testing.assert_allclose(law.marginal("r1").mean, law.mean, rtol=1e-13)
        np.testing.assert_array_equal(known.law().mean, known.law(2.0).mean)


def test_a_time_that_was_not_saved_is_told_with_those_that_were(decaying: Chosen) -> None:
    decaying.use(DecayingAtoms(0.05))
    result = solve(parse({"data": {}, "network": {}, "time": {"end": 2.0, "save": 5}}), scheme="decaying")
    with pytest.raises(ValueError, match=r"t = 0\.7 is no save time .* the nearest is 0\.5, .* \(saved: 0, 0\.5, 1,"):
        result.law(0.7)


def test_atoms_without_mass_are_left_out(decaying: Chosen) -> None:
    decaying.use(DecayingAtoms(0.05, drop_after=1.0))
    result = solve(parse({"data": {}, "network": {}, "time": {"end": 8.0, "save": 33}}), scheme="decaying")
    assert len(result.law(8.0).weights) < len(result.law(0.0).weights)
    assert np.isfinite(result.law(8.0).mean).all()
