"""A box of the reduced space."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array


@dataclass(frozen=True)
class Box:
    """A box of the reduced space, corners of shape (D,)."""

    lower: Array
    upper: Array
