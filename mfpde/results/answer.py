"""What a study finds: one base of every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = Callable[[], "Figure"]


class Answer:
    """What a study finds: as JSON, in words, as figures.

    Attributes:
        status: "success", "interrupted", "failed" or "running" (a checkpoint).
        message: what went wrong or is worth a warning, a line each.
        FORMATS: the kinds of file of each figure.
    """

    FORMATS: ClassVar[tuple[str, ...]] = (".png",)

    if TYPE_CHECKING:  # fields of most answers: a property here would become their default

        @property
        def status(self) -> str: ...

        @property
        def message(self) -> str: ...

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        raise NotImplementedError

    def table(self) -> str:
        """In words."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write it to a file, which appears whole or not at all; raises OutputError."""
        from mfpde.results.files.output import write_json

        write_json(Path(path), self.to_json())

    def figures(self) -> Mapping[str, Drawing]:
        """What there is to draw, by the name of the figure."""
        return {}
