"""What is told of a guide before it runs."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.schemes import guide
from mfpde.schemes.foretold import foretold
from mfpde.schemes.guide import GUIDE_TIMES, STAGES, run_guide
from mfpde.solvers.objective.table import feature_table
from tests.solvers.objective.table.test_feature_table import monomials


@pytest.mark.quick
def test_a_guide_that_takes_long_says_so_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Velocities of .2 s in a step for each of 40 stops make 104 s; those of .001 s are not worth a word."""
    law = {"dims": "infinite", "fractions": [0.5, 0.5]}
    experiment = parse({"data": law, "network": {"activation": "truncated-relu"}, "time": {"end": 0.1}})
    problem = build_problem(experiment)
    for seconds, told in ((0.001, []), (0.2, [f"about {STAGES * (GUIDE_TIMES - 1) * 0.2 / 60.0:.0f} min"])):
        clock = iter((0.0, seconds))
        monkeypatch.setattr(guide, "perf_counter", lambda clock=clock: next(clock))
        said: list[str] = []
        run_guide(problem, experiment, said.append)
        assert len(said) == len(told)
        assert all(part in text for part, text in zip(told, said, strict=True))


@pytest.mark.quick
def test_a_table_that_takes_long_says_so_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 check points in .8 s make 11 s for the 33^2 nodes; in .1 s nothing is said, and afterwards nobody listens."""
    for seconds, told in ((0.1, []), (0.8, ["a table of the features at 1089 nodes takes up to 11 s"])):
        clock = iter((0.0, seconds))
        monkeypatch.setattr(feature_table, "perf_counter", lambda clock=clock: next(clock))
        said: list[str] = []
        with foretold(said.append):
            feature_table.build_table(monomials(2, 4), [np.linspace(0.0, 1.0, 9)] * 2, 4, np.inf, checks=64)
        assert [text.split(",")[0] for text in said] == told
    log = logging.getLogger("mfpde.solvers")
    assert not log.handlers
    assert log.level == logging.NOTSET
