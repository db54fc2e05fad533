"""What is told of a guide before it runs."""

from __future__ import annotations

import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.schemes import guide
from mfpde.schemes.guide import GUIDE_TIMES, STAGES, run_guide


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
