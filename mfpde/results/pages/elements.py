"""The elements of a page: text, formulas and figures as pictures within it, tables, listings."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import matplotlib

from mfpde.results.figures.style import drawing

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing

FORMULA_POINTS = 13


def text(words: str) -> str:
    """Text as a page spells it."""
    return html.escape(words, quote=True)


def paragraph(words: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{text(words)}</p>"


def listing(words: str) -> str:
    """Text of fixed width, line by line."""
    return f"<pre>{text(words)}</pre>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> str:
    """A table, which the page can copy as CSV; `name` is that of the file."""
    head = "".join(f"<th>{text(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    button = f'<button type="button" class="csv" data-name="{text(name)}">copy as CSV</button>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>{button}'


def _cell(words: str) -> str:
    """A cell of a table; a number is not broken at its exponent."""
    number = words[:1] in set("+-.0123456789") and " " not in words
    tag = '<td class="number">' if number else "<td>"
    return f"{tag}{text(words)}</td>"


def formula(tex: str) -> str:
    """A formula in the part of TeX that matplotlib reads: a picture for each of its parts, whose text is the part."""
    pictures = " ".join(_picture(part.strip()) for part in tex.split(r"\qquad"))
    return f'<p class="formula">{pictures}</p>'


def _picture(tex: str) -> str:
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    stream = BytesIO()
    with drawing(), matplotlib.rc_context({"svg.fonttype": "path"}):
        math_to_image(f"${tex}$", stream, prop=FontProperties(size=FORMULA_POINTS), format="svg")
    return f'<img alt="{text(tex)}" src="{_uri("image/svg+xml", stream.getvalue())}">'


def figure(draw: Drawing, name: str, caption: str, command: str) -> str:
    """A figure with what it shows and the command that makes its numbers; it can be saved as SVG and as PDF."""
    vector, printed = BytesIO(), BytesIO()
    with drawing(), matplotlib.rc_context({"svg.fonttype": "path", "savefig.dpi": 150, "pdf.compression": 9}):
        drawn = draw()
        drawn.savefig(vector, format="svg", metadata={"Date": None})
        drawn.savefig(printed, format="pdf", metadata={"CreationDate": None})
    links = (
        f'<a class="svg" download="{text(name)}.svg" href="#">SVG</a> '
        f'<a download="{text(name)}.pdf" href="{_uri("application/pdf", printed.getvalue())}">PDF</a>'
    )
    return (
        f'<figure id="{text(name)}"><img alt="{text(caption)}" src="{_uri("image/svg+xml", vector.getvalue())}">'
        f"<figcaption>{text(caption)} <span>{links}</span><br><code>{text(command)}</code></figcaption></figure>"
    )


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
