"""Where a result comes from: versions, git revision, threads, configuration."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mfpde
from mfpde.configuration.toml import to_toml
from mfpde.experiment import Experiment
from mfpde.results.files.netcdf_file import Attribute


def provenance(configuration: Experiment) -> dict[str, Attribute]:
    """The attributes every result file carries."""
    return {
        "configuration": to_toml(configuration),
        "risk_name": configuration.law.risk_name,
        "version_mfpde": mfpde.__version__,
        "version_python": sys.version.split()[0],
        **{f"version_{name}": _version(name) for name in ("numpy", "scipy", "numba")},
        "git_revision": git_revision(),
        "seed": configuration.sgd.seed,
        **({"use": "\n".join(map(str, configuration.uses))} if configuration.uses else {}),
        "threads": threads(),
    }


def threads() -> int:
    """Threads that the compiled kernels use at most."""
    from mfpde.solvers.threads.blocks import threads

    return threads()


def git_revision() -> str:
    """The commit this package runs from, "+" where files differ from it, "unknown" outside a checkout."""
    folder = Path(mfpde.__file__).resolve().parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown"
    revision = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return "unknown" if revision is None else revision + ("+" if changes else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers, which writes nothing: `status` alone would lock the index to refresh it."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
