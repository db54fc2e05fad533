"""How many processors this process may use, and what the control groups of its container allow it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path("/")


def processors() -> int:
    """Those that the process may run on, no more than the whole ones among the time that its container has on them."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(there, _granted(ROOT)))


@cache
def _granted(root: Path) -> int:
    """Processors whose time the control groups grant, rounded down; many where they do not limit it."""
    shares = [math.inf]
    for group in groups("cpu", root):
        with suppress(OSError, ValueError):
            unified = group / "cpu.max"
            places = [unified] if unified.is_file() else [group / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
            quota, period = map(float, " ".join(place.read_text("ascii") for place in places).split())
            shares.append(quota / period if quota > 0.0 < period else math.inf)
    return int(min(*shares, 1e6))


def groups(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """Folders of the control groups in which this process is, each with those above it; they need not exist.

    Args:
        controller: "cpu" or "memory": which of the hierarchies of version 1.
        root: of the file system.
    """
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = root / "sys/fs/cgroup" / (controller if controllers else "")
            own = Path(path.lstrip("/"))
            yield from (top / place for place in (own, *own.parents))
