"""What can go wrong with a file, in words for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfpde.results.solve_result import SolveResult


class ResultFileError(Exception):
    """A result file cannot be read: truncated, foreign, or of another version."""


class OutputError(Exception):
    """An output cannot be written: read-only folder, full disk, existing file."""


class RunOutputError(OutputError):
    """An output could not be written while the run was under way; what was written before it is whole.

    Attributes:
        result: what was computed, with status "failed"; None where it is not known.
    """

    def __init__(self, message: str, result: SolveResult | None = None) -> None:
        super().__init__(message)
        self.result = result
