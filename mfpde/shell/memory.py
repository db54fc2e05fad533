"""How much memory there is, and what is said where it does not suffice."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mfpde.solvers.threads.processors import ROOT, groups

LIMITS = "memory.max", "memory.limit_in_bytes"
"""Where a control group says how much it may have."""
PROCESS = 250e6
"""Bytes of a process before it computes: the interpreter, its libraries, the compiled kernels."""


def available(root: Path = ROOT) -> float:
    """Bytes that this process may have at most: those of the machine, or of its container where that has less."""
    found = [float("inf")]
    with suppress(ValueError, OSError, AttributeError):
        found.append(float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE"))
    for place in (group / name for group in groups("memory", root) for name in LIMITS):
        with suppress(ValueError, OSError):
            found.append(float(place.read_text("ascii")))
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min(limit for limit in (*found, float(soft)) if limit > 0.0)


def shortage(parts: Mapping[str, tuple[float, str, str]]) -> list[str]:
    """The refusal of work whose arrays do not fit into memory; none where they do.

    Args:
        parts: what is held at once: its bytes, the key it hangs on, and what to write instead. The largest is told.
    """
    need, there = sum(size for size, _, _ in parts.values()), available()
    if need <= there:
        return []
    largest, (size, key, remedy) = max(parts.items(), key=lambda part: part[1][0])
    words = f"this needs {_told(need)} of memory, {_told(size)} of it for {largest}, and there are {_told(there)}"
    return [f"{key}: {words}; write {remedy}"]


def out_of_memory(error: MemoryError, *less: str) -> str:
    """What is said of an allocation that failed, with what to write less of."""
    detail = f" ({error})" if str(error) else ""
    return f"out of memory{detail}; write {', or '.join(filter(None, less))}"


def _told(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
