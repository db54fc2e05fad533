"""A command of this program in a process of its own: its seconds, by both clocks, and its largest memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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


_WATCH = """import os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(process.returncode)"""
"""What begins a process and waits for it: the memory of that counts as the process's own, and this has little."""


def spent(*arguments: str, environment: Mapping[str, str] | None = None) -> Spent:
    """Run `mfpde` with these arguments where it leaves nothing behind.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    command = [sys.executable, "-m", "mfpde", *arguments]
    paths = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    variables = os.environ | {"PYTHONPATH": paths} | dict(environment or {})
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        watch = [sys.executable, "-I", "-S", "-c", _WATCH, *command]
        done = subprocess.run(watch, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=said, check=False)
        if done.returncode:
            said.seek(0)
            raise RuntimeError(f"mfpde {' '.join(arguments)}: {said.read().decode()}")
    seconds, processor, largest = map(float, done.stdout.split())
    return Spent(seconds, processor, largest * (1.0 if sys.platform == "darwin" else 1024.0) / MIB)
