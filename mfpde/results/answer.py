"""What a study finds: one base of every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mfpde.results.objects import Part, coordinate_names
from mfpde.shell.files import write_json
from mfpde.solvers.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = Callable[[], "Figure"]
ANSWERS: Registry[Answer] = Registry("answer", "mfpde.results.answers")


class Answer(Part):
    """What a study finds: as JSON, in words, as figures.

    Attributes:
        status: "success", "interrupted", "failed" or "running" (a checkpoint).
        message: what went wrong or is worth a warning, a line each.
        name: of the question it answers; empty where it is not registered.
        FORMATS: the kinds of file of each figure.
    """

    name: ClassVar[str] = ""
    FORMATS: ClassVar[tuple[str, ...]] = (".png",)

    if TYPE_CHECKING:  # fields of most answers: a property here would become their default

        @property
        def status(self) -> str: ...

        @property
        def message(self) -> str: ...

    def table(self) -> str:
        """In words."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write it to a file, which appears whole or not at all; raises OutputError."""
        write_json(Path(path), self.to_json())

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reduced coordinates."""
        return {"names": coordinate_names(content)}

    def figures(self) -> Mapping[str, Drawing]:
        """What there is to draw, by the name of the figure.

        The module of `mfpde.results.figures` that has the name of the answer says it, if there is one.
        """
        place = f"mfpde.results.figures.{self.name}"
        found: Mapping[str, Drawing] = import_module(place).figures(self) if self.name and find_spec(place) else {}
        return found
