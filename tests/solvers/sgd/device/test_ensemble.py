"""A graphics processor's steps: in numba's simulator, in a process of its own, and what they refuse."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mfpde.errors import ConfigurationError
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.flow.confinement import Penalty
from mfpde.solvers.flow.flow import Schedule
from mfpde.solvers.sgd.device.ensemble import DeviceEnsemble, planned, shape_of, unknown
from mfpde.solvers.sgd.device.processor import Simulated, missing
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd
from mfpde.solvers.sgd.samplers import Projections
from mfpde.studies.sgd.replicas import sgd

PLAIN = Sgd(GaussianClasses((60, 2), ((1.8, 0.2), (1.0, 1.0))), Tanh(), 1e-2)
STRANGE = {
    "samples are drawn": replace(PLAIN, data=Projections.of(7, 1, lambda x: x[:, 0])),
    "has no loop for it": replace(PLAIN, unit=Tanh().affine(2.0, 0.0)),
    "there is no noise": replace(PLAIN, inverse_temperature=50.0),
    "no penalty but the ridge": replace(PLAIN, penalty=Penalty(3.0, 0.1)),
    "the state is that of weights": replace(PLAIN, unit=Tanh(), gram=True),
}


@pytest.mark.long
def test_steps_in_the_simulator_are_those_of_this_processor() -> None:
    """Fused and by products, with kinks, batches, all that moves; stopped within a block. Fails where one case does."""
    command = [sys.executable, "-W", "error", "-m", "validation.devices"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("# simulated\n")


@pytest.mark.parametrize("words", list(STRANGE))
def test_what_a_processor_does_not_know_is_refused_in_words(words: str) -> None:
    assert unknown(PLAIN) == []
    with pytest.raises(ValueError, match=words):
        DeviceEnsemble.of(STRANGE[words], range(2))


def test_samples_of_a_step_that_do_not_fit_are_refused() -> None:
    assert shape_of(PLAIN, 100, Simulated()).rows >= 8
    with pytest.raises(ValueError, match=r"64 samples of 800 neurons take 442368 .* write a smaller batch"):
        shape_of(replace(PLAIN, batch=64), 800, Simulated())


def test_the_plan_of_steps_shrinks_from_the_start_of_each_block() -> None:
    problem = replace(PLAIN, ridge=3.0, schedule=Schedule(1.0, -0.5), batch=2)
    rates, plan = problem.rates(4, 9), planned(problem, 4, 9, 4)
    shrinks = 1.0 - 3.0 * rates
    for k, (before, after, factor, rate) in enumerate(plan):
        first = k - k % 4
        assert math.isclose(before, math.prod(shrinks[first:k]), rel_tol=1e-15)
        assert math.isclose(after, math.prod(shrinks[first : k + 1]), rel_tol=1e-15)
        np.testing.assert_allclose([factor * after, rate], rates[k] / 2.0, rtol=1e-15)


@pytest.mark.skipif(not missing(), reason="a processor is there")
def test_without_a_processor_or_its_packages_the_remedy_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^sgd\.device: .*, or write device = .cpu.$"):
        sgd("isotropic-gaussians", device="cuda")
