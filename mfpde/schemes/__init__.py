"""From a problem and its configuration to a scheme ready to run, with its coarser companion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.characteristics import characteristics
from mfpde.schemes.finite_volume import finite_volume
from mfpde.schemes.guide import run_guide, visited_box
from mfpde.schemes.jko import jko_on_atoms, jko_on_grid
from mfpde.schemes.pair import Schemes
from mfpde.schemes.particles import particles

__all__ = ["Schemes", "make_schemes"]


def make_schemes(
    problem: Problem, configuration: Experiment, progress: Callable[[str], object] | None = None
) -> Schemes:
    """The scheme of `configuration.solver` on this problem, with its companion."""
    say = progress or (lambda text: None)
    say("guide")
    guide = run_guide(problem, configuration)
    box = visited_box(problem, guide)
    say("features")
    noisy = np.isfinite(problem.flow.inverse_temperature)
    makers = {
        "characteristics": characteristics,
        "finite-volume": finite_volume,
        "jko": jko_on_grid if noisy else jko_on_atoms,
        "particles": particles,
    }
    return makers[configuration.solver.scheme](problem, configuration, guide, box)
