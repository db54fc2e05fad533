"""The energy balance of presets to their ends, of which the tests follow the beginning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mfpde.configuration.sources import load_configuration
from validation.rows import CHARACTERISTICS, ESTIMATE_FACTOR, SCHEMES, Row, check
from validation.workbench import Workbench

ON_CELLS = ("bumps-bad", "bumps-good", "isotropic-gaussians")
LONG = (*ON_CELLS, "anisotropic-relu-trained", "relu-teacher-arc", "relu-teacher-spread")
LARGEST = 3e-6
"""Of the balance, however large the errors."""


@check("balance", SCHEMES, quick=())
def balance(bench: Workbench, scheme: str) -> Iterator[Row]:
    """|F - F(0) + ∫D| where it is largest beside the estimated errors of the risk so far."""
    for name in LONG if scheme == CHARACTERISTICS else ON_CELLS:
        result = bench.run(load_configuration(name, [f"solver.scheme={scheme}"]))
        allowed = np.minimum(ESTIMATE_FACTOR * np.maximum.accumulate(result.risk_error), LARGEST)
        # nothing is dissipated yet at t = 0
        worst = 1 + int(np.argmax(result.balance[1:] / allowed[1:]))
        quantity = f"{name} |F - F(0) + ∫D| at t = {result.time[worst]:.4g}"
        yield Row(quantity, scheme, 0.0, float(result.balance[worst]), 0.0, float(allowed[worst]))
