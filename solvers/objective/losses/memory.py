"""The last answer of a costly function of an array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...arrays import Array


class Memory:
    """Remembers one argument and its answer: duals ask for the outputs at the same gradient several times in a row."""

    def __init__(self) -> None:
        self._known: tuple[Array, Array] | None = None

    def of(self, argument: Array, answer: Callable[[Array], Array]) -> Array:
        """answer(argument), computed anew where the argument is another one than before."""
        if self._known is None or not np.array_equal(self._known[0], argument):
            self._known = argument.copy(), answer(argument)
        return self._known[1]
