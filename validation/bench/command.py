"""A command of this program in a process of its own: its seconds, by both clocks, and its largest memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import NamedTuple

MIB = 2.0**20


class Spent(NamedTuple):
    """What a process took.

    Attributes:
        seconds: by the wall's clock.
        processor: of the processors, its own and those of the processes that it waited for.
        mib: largest memory held at once by it alone, in MiB.
    """

    seconds: float
    processor: float
    mib: float


def spent(*arguments: str, environment: Mapping[str, str] | None = None) -> Spent:
    """Run `mfpde` with these arguments where it leaves nothing behind.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    command = [sys.executable, "-m", "mfpde", *arguments]
    paths = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    variables = os.environ | {"PYTHONPATH": paths} | dict(environment or {})
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"mfpde {' '.join(arguments)}: {said.read().decode()}")
    scale = 1.0 if sys.platform == "darwin" else 1024.0
    return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / MIB)
