"""Packages that a bench compares with, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTALL_SECONDS, RUN_SECONDS = 1800, 1800
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class PeerMissing(Exception):
    """A package to compare with that cannot be had, or whose script fails; says why."""


@dataclass(frozen=True)
class Peers:
    """Environments by the packages in them.

    Attributes:
        folder: where they are kept, for the next time as well.
        install: whether one that is not there is made.
    """

    folder: Path
    install: bool = True

    def python(self, packages: Sequence[str], built: Mapping[str, str] | None = None) -> Path:
        """The interpreter of an environment with these packages.

        Args:
            built: sources by short names, that are built with the packages at hand.

        Raises:
            PeerMissing: it is not there and may not be made, or cannot be.
        """
        sources = built or {}
        place = self.folder.absolute() / "+".join([*packages, *sources])
        python, done = place / "bin" / "python", place / "complete"
        if done.exists():
            return python
        if not self.install:
            raise PeerMissing(f"no environment with {' and '.join(packages)} in {self.folder}, and none made")
        try:
            venv.create(place, with_pip=True, clear=True)
            install = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir"]
            for given in (packages, *(("--no-build-isolation", source) for source in sources.values())):
                command = [*install, *given]
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as failure:
            raise PeerMissing(_reason(failure)) from failure
        done.touch()
        return python

    def answer(
        self,
        packages: Sequence[str],
        script: str,
        *arguments: str,
        threads: int = 1,
        built: Mapping[str, str] | None = None,
    ) -> Any:
        """What a script prints last, read as JSON, run with these packages and its arguments on so many threads.

        Raises:
            PeerMissing: the packages cannot be had, or the script fails.
        """
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        clean |= dict.fromkeys(THREADS, str(threads))
        command = [str(self.python(packages, built)), "-c", script, *arguments]
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean, timeout=RUN_SECONDS)
            return json.loads(done.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as failure:
            raise PeerMissing(_reason(failure)) from failure


def _reason(failure: Exception) -> str:
    """Why, in one line: the last one of what is fatal that the process wrote, or of all."""
    lines = [line for line in str(getattr(failure, "stderr", None) or "").splitlines() if line.strip()]
    lines = [line for line in lines if "fatal:" in line] or lines
    return lines[-1].strip() if lines else f"{type(failure).__name__}: {str(failure)[:200]}"
