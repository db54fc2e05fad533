"""What a study finds: one base of every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray

from mfpde.errors import OutputError, ResultFileError, RunOutputError
from mfpde.results.files.netcdf_file import Attribute, Checkpoint, Layout
from mfpde.results.objects import Part, coordinate_names
from mfpde.shell.files import write_json
from mfpde.solvers.registry import Registry

if TYPE_CHECKING:
    from mfpde.results.figures.style import NotebookFigure

Drawing = Callable[[], "NotebookFigure"]
ANSWERS: Registry[Answer] = Registry("answer", "mfpde.results.answers")


class Answer(Part):
    """What a study finds: as JSON, in words, as figures.

    Attributes:
        status: "success", "interrupted", "failed" or "running" (a checkpoint).
        message: what went wrong or is worth a warning, a line each.
        name: of the question it answers; empty where it is not registered.
        FIGURES: the names that its figures may have.
        FORMATS: the kinds of file of each figure.
        NOTHING: why there may be no figure, and what to do.
    """

    name: ClassVar[str] = ""
    FIGURES: ClassVar[tuple[str, ...]] = ()
    FORMATS: ClassVar[tuple[str, ...]] = (".png", ".pdf")
    NOTHING: ClassVar[str] = "there is nothing to draw"

    if TYPE_CHECKING:  # fields of most answers: a property here would become their default

        @property
        def status(self) -> str: ...

        @property
        def message(self) -> str: ...

    def details(self) -> str:
        """What --verbose prints: the table with more beside it, where there is more."""
        return self.table()

    def table(self) -> str:
        """In words."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The same, for `print`."""
        return self.table()

    def save(self, path: str | Path) -> None:
        """Write it to a file, which appears whole or not at all; raises OutputError."""
        content = {**self.to_json(), **self.provenance(), "format": f"mfpde {self.name} 1"}
        try:
            write_json(Path(path), content)
        except OutputError as error:
            raise RunOutputError(str(error)) from None

    def provenance(self) -> Mapping[str, Any]:
        """What its file says of where it comes from."""
        return {}

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reduced coordinates."""
        return {"names": coordinate_names(content)}

    def figures(self) -> Mapping[str, Drawing]:
        """What there is to draw, by the name of the figure.

        The module of `mfpde.results.figures` that is called like that of the answer says it, if there is one.
        """
        found: Mapping[str, Drawing] = getattr(self._drawn_in(), "figures", lambda answer: {})(self)
        return found

    @classmethod
    def figure_files(cls) -> tuple[str, ...]:
        """The files that its figures may be written to."""
        return tuple(f"{name}{suffix}" for name in cls.FIGURES for suffix in cls.FORMATS)

    def plot(self, path: str | Path | None = None, title: str = "") -> NotebookFigure:
        """Draw it in one figure, which a notebook shows.

        Args:
            path: a file for it, .png, .pdf or .svg, or .gif or .mp4 for a law in motion.
            title: a line above it, as the name of the problem.

        Raises:
            ResultFileError: there is nothing to draw.
            OutputError: the file cannot be written, or where .mp4 finds no ffmpeg.
        """
        from mfpde.results.figures.style import MOVING
        from mfpde.results.files.drawn import save_figure

        figures = self.figures()
        if not figures:
            raise ResultFileError(self.NOTHING)
        overview = getattr(self._drawn_in(), "overview", None)
        draw = next(iter(figures.values())) if overview is None else partial(overview, self)
        place = () if path is None else (Path(path),)
        if path is not None and Path(path).suffix in MOVING:
            self.animate(Path(path))
            place = ()
        return save_figure(draw, *place, title=title)

    def animate(self, path: Path) -> None:
        """Write it in motion; raises OutputError, for most answers do not move."""
        raise OutputError(f"{path}: only the law of a run of `mfpde solve` moves; write a name that ends in .png")

    def _drawn_in(self) -> ModuleType | None:
        """The module of its figures."""
        place = type(self).__module__.replace(".answers.", ".figures.")
        return import_module(place) if place != type(self).__module__ and find_spec(place) else None


class Whole(Answer):
    """An answer of which there is all or nothing: nothing goes wrong on the way to it that it could tell."""

    status = "success"
    message = ""


class Recorded(Answer):
    """An answer recorded over time: its file is NetCDF, and may hold the arrays that a run can go on from.

    Attributes:
        LAYOUT: how it is written and read.
    """

    LAYOUT: ClassVar[Layout]

    if TYPE_CHECKING:

        @property
        def attributes(self) -> Mapping[str, Attribute]: ...

        @property
        def names(self) -> tuple[str, ...]: ...

    @property
    def message(self) -> str:
        """What went wrong, or is worth a warning."""
        return str(self.attributes.get("message", ""))

    def save(self, path: str | Path, checkpoint: Checkpoint | None = None) -> None:
        """Write it, and the arrays to resume from, to a file, which appears whole or not at all; raises OutputError."""
        self.LAYOUT.write(self, Path(path), checkpoint)

    @classmethod
    def recognises(cls, content: Mapping[str, Any]) -> bool:
        """No: its JSON object is not its file."""
        return False

    @classmethod
    def read(cls, path: str | Path) -> tuple[Self, dict[str, NDArray[Any]]]:
        """It and the arrays to resume from, none where there are none.

        Raises:
            ResultFileError: the file is missing, damaged, or of something else.
        """
        fields, arrays = cls.LAYOUT.read(Path(path))
        return cls(**fields), arrays

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """It alone; see `read`."""
        return cls.read(path)[0]
