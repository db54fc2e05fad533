"""What the configuration can say but no scheme can do yet: the one place where it is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment


class Refusal(NamedTuple):
    """A key, the configurations it is refused in, and what to write instead."""

    key: str
    applies: Callable[[Experiment], bool]
    remedy: str


LARGEST_NOISY_BLOCK = 1000
"""Block dimension up to which noisy finite volumes were seen to keep time: far above, the law lags behind."""

UNSUPPORTED = (
    Refusal(
        "data.dims",
        lambda configuration: (
            math.isfinite(configuration.dynamics.inverse_temperature)
            and max(axis.dimension for axis in configuration.data.axes().values()) > LARGEST_NOISY_BLOCK
        ),
        f"noise is not resolved yet in blocks above {LARGEST_NOISY_BLOCK}; write smaller dims or "
        "inverse_temperature = inf",
    ),
    Refusal(
        "dynamics.inverse_temperature",
        lambda configuration: (
            math.isfinite(configuration.dynamics.inverse_temperature)
            and configuration.solver.scheme == "characteristics"
        ),
        'characteristics have no noise; write solver.scheme = "finite-volume" or "jko", or inverse_temperature = inf',
    ),
    Refusal(
        "dynamics.fisher_rao_rate",
        lambda configuration: (
            math.isfinite(configuration.dynamics.inverse_temperature)
            and configuration.dynamics.fisher_rao_rate > 0.0
            and configuration.solver.scheme == "particles"
        ),
        "birth and death with noise needs log rho, which particles do not have; write inverse_temperature = inf, or "
        "fisher_rao_rate = 0.0",
    ),
)


def unsupported(configuration: Experiment) -> list[str]:
    """One message for every part of the configuration that no scheme can do."""
    return [f"{row.key}: {row.remedy}" for row in UNSUPPORTED if row.applies(configuration)]


def refuse_unsupported(configuration: Experiment) -> None:
    """Raise ConfigurationError with every part of the configuration that no scheme can do."""
    messages = unsupported(configuration)
    if messages:
        raise ConfigurationError(messages, configuration)
