"""The command `mfpde optimum`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mfpde.commands.answers import run_study
from mfpde.commands.common import Answer

if TYPE_CHECKING:
    from mfpde.experiment import Experiment


def run(options: argparse.Namespace) -> int:
    """The law of least free energy, with its lower bound."""

    def study(configuration: Experiment, radius: float | None) -> Answer:
        from mfpde.studies.optimum.optimum import optimum

        return optimum(configuration, radius)

    return run_study(options, study)
