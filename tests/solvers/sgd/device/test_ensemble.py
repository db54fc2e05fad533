"""A graphics processor's steps in numba's simulator, in a process of its own: those of this processor, to rounding."""

from __future__ import annotations

import os
import subprocess
import sys


def test_steps_in_the_simulator_are_those_of_this_processor() -> None:
    """Fused and by products, with kinks, batches, all that moves; stopped within a block. Fails where one case does."""
    command = [sys.executable, "-W", "error", "-m", "validation.devices"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("# simulated\n")
