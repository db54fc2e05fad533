"""What a newcomer waits for: README's first solve after an installation, and again, and the help."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

from validation.bench.command import Spent, spent
from validation.bench.interface import Ratio, Setting, bench

CACHE = "NUMBA_CACHE_DIR"
FIRST = ("solve", "anisotropic-relu", "-o", "anisotropic.nc", "--plot", "figures", "--force")
"""README's first solve, which a test holds to it."""


@bench("first")
def first(setting: Setting) -> Iterator[Ratio]:
    """By the wall's clock, the shortest of several: on a machine with other work, its processor time says more.

    Python's bytecode is kept, as an installation has it.
    """
    repeats = 1 if setting.quick else 3
    with tempfile.TemporaryDirectory() as folder:
        caches = [{CACHE: os.path.join(folder, str(k)), "PYTHONDONTWRITEBYTECODE": ""} for k in range(repeats)]
        fresh, there = [spent(*FIRST, environment=cache) for cache in caches], caches[0]
        warm = [spent(*FIRST, environment=there) for _ in range(repeats)]
        undrawn = [spent(*FIRST[:2], environment=there) for _ in range(repeats)]
        told = [spent("--help", environment=there) for _ in range(repeats)]
    yield _within("the first solve of README, with no compiled kernel", fresh, 6.0)
    yield _within("the same again", warm, 1.5)
    yield _within("the same again, without figures", undrawn, 1.5)
    yield _within("mfpde --help", told, 0.1)


def _within(work: str, runs: list[Spent], limit: float) -> Ratio:
    processor = min(run.processor for run in runs)
    note = f"{processor:.2f} s of a processor"
    return Ratio(work, min(run.seconds for run in runs), "a limit", limit, goal=1.0, note=note)
