"""Checksums over everything that is read back from a file, by which a changed file is known."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mfpde.errors import EarlierFileWarning

KEY = "checksum"


def checksum_of(parts: Iterable[bytes | memoryview]) -> str:
    """The checksum of parts in this order, each with its length."""
    found = hashlib.sha256()
    for part in parts:
        view = memoryview(part)
        found.update(view.nbytes.to_bytes(8, "big"))
        found.update(view)
    return f"sha256 {found.hexdigest()}"


def checksum_of_object(content: Mapping[str, Any]) -> str:
    """The checksum of a JSON object, whatever the order of its keys, its own checksum apart."""
    rest = {key: value for key, value in content.items() if key != KEY}
    return checksum_of([json.dumps(rest, sort_keys=True, separators=(",", ":")).encode("ascii")])


def tell_earlier(path: Path) -> None:
    """Warn of a file of a version that had no checksum over everything."""
    text = "written by an earlier version, without a checksum over all of it; a change by hand would not be seen"
    warnings.warn(f"{path}: {text}", EarlierFileWarning, stacklevel=3)
