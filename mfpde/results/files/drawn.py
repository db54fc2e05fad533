"""Figures as files: drawn once for all kinds of file, by a process that is ready when the answer is."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from mfpde.shell.ahead import end, forked, may_fork
from mfpde.shell.files import write_atomically
from mfpde.solvers.threads.processors import processors

if TYPE_CHECKING:
    from mfpde.results.answer import Answer, Drawing
    from mfpde.results.figures.style import NotebookFigure

LARGEST_SENT = 2**27
"""Bytes of an answer beyond which it is drawn where it is: another process would hold it a second time."""
MARGIN = 0.06
"""Inches around a figure."""


def save_figures(answer: Answer, folder: Path, title: str = "", part: slice = slice(None)) -> tuple[Path, ...]:
    """Write what an answer has to draw, or a part of it, into a folder; returns the paths; raises OutputError."""
    written: list[Path] = []
    for name, draw in list(answer.figures().items())[part]:
        paths = [folder / f"{name}{suffix}" for suffix in answer.FORMATS]
        save_figure(draw, *paths, title=title)
        written += paths
    return tuple(written)


def save_figure(draw: Drawing, *paths: Path, title: str = "") -> NotebookFigure:
    """Draw a figure, under a line that says of what it is, and write it to every path; raises OutputError.

    It is laid out once, at the resolution of its files.
    """
    from matplotlib import rcParams

    from mfpde.results.figures.style import GREY, STYLE, drawing

    with drawing():
        figure = draw()
        if title:
            figure.text(0.01, 1.01, title, fontsize=8, color=GREY)
        if paths:
            layout, figure.dpi = figure.get_layout_engine(), STYLE["savefig.dpi"]
            if layout is not None:
                layout.execute(figure)
            # none at all: for any other, a placeholder among them, each file is drawn twice
            rcParams["figure.constrained_layout.use"] = False
            figure.set_layout_engine(None)
            edge = figure.get_tightbbox().padded(MARGIN)
            for legend in figure.legends:
                # a tight box moves the edge, and with it what is anchored there
                legend.set_bbox_to_anchor((0.0, 0.0, 1.0, 1.0), transform=figure.transSubfigure)
            for path in paths:
                write_atomically(path, partial(figure.savefig, bbox_inches=edge))
            for legend in figure.legends:
                legend.set_bbox_to_anchor(None)
            figure.set_layout_engine(layout)
    return figure


class Draughtsman:
    """Draws an answer in a process of its own, which makes itself ready while the answer is computed.

    What cannot be sent there, or fails there, is drawn here.

    Args:
        asked: the pipe to that process; None where there is none.
    """

    def __init__(self, asked: Connection | None = None) -> None:
        self._asked = asked

    def save(self, answer: Answer, folder: Path, title: str) -> tuple[Path, ...]:
        """As `save_figures` does."""
        written: tuple[Path, ...] | None = None
        with suppress(OSError, EOFError, pickle.PicklingError, AttributeError, TypeError):
            written = None if self._asked is None else _asked_of(self._asked, answer, folder, title)
        return save_figures(answer, folder, title) if written is None else written


@contextmanager
def draughtsman(needed: bool) -> Iterator[Draughtsman]:
    """One whose process, where it is needed and there is a processor for it, begins now and ends with the block."""
    if not (needed and may_fork()):
        yield Draughtsman()
        return
    own, other = Pipe()
    child = forked(lambda: _attend(other, own))
    other.close()
    try:
        with own:
            yield Draughtsman(own)
    finally:
        end(child)


def _asked_of(connection: Connection, answer: Answer, folder: Path, title: str) -> tuple[Path, ...] | None:
    """The paths that the other process wrote; None where it did not. Arrays are sent from where they are."""
    parts: list[pickle.PickleBuffer] = []
    told = pickle.dumps((answer, folder, title), protocol=5, buffer_callback=parts.append)
    raw = [part.raw() for part in parts]
    if len(told) + sum(part.nbytes for part in raw) > LARGEST_SENT:
        return None
    connection.send((told, len(raw)))
    for part in raw:
        connection.send_bytes(part)
    written: tuple[Path, ...] | None = connection.recv()
    return written


def _attend(connection: Connection, asking: Connection) -> None:
    """The life of the other process: it rehearses, and draws what it is sent unless the asking end closes."""
    from mfpde.results.figures.style import rehearse

    asking.close()
    rehearse()
    with suppress(EOFError):
        told, count = connection.recv()
        answer, folder, title = pickle.loads(told, buffers=[bytearray(connection.recv_bytes()) for _ in range(count)])
        connection.send(_drawn(answer, folder, title))


def _drawn(answer: Answer, folder: Path, title: str) -> tuple[Path, ...] | None:
    """Draw all figures, as many at once as there are processors; the paths, None where one cannot be drawn."""
    names = answer.figures()
    step = min(processors(), len(names)) if may_fork() else 1
    others = [forked(partial(save_figures, answer, folder, title, slice(k, None, step))) for k in range(1, step)]
    try:
        with suppress(Exception):
            save_figures(answer, folder, title, slice(0, None, max(step, 1)))
            failed = False
            while others:
                failed |= os.waitpid(others[-1], 0)[1] != 0
                others.pop()
            if not failed:
                return tuple(folder / f"{name}{suffix}" for name in names for suffix in answer.FORMATS)
        return None
    finally:
        for other in others:
            end(other)
