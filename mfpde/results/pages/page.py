"""A whole page in one file: sections, a list of them, how they look and what their buttons do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from mfpde.results.pages.elements import text


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        anchor: its name in links.
        title: in words.
        body: HTML.
    """

    anchor: str
    title: str
    body: str


def document(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page, complete."""
    links = "\n".join(f'<li><a href="#{each.anchor}">{text(each.title)}</a></li>' for each in sections)
    bodies = "\n".join(
        f'<section id="{each.anchor}">\n<h2>{text(each.title)}</h2>\n{each.body}\n</section>' for each in sections
    )
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">',
            f"<title>{text(title)}</title>\n<style>\n{_beside('page.css')}</style>\n</head>\n<body>",
            f'<h1>{text(title)}</h1>\n<p class="lead">{text(lead)}</p>\n<nav><ol>\n{links}\n</ol></nav>',
            f"{bodies}\n<script>\n{_beside('page.js')}</script>\n</body>\n</html>\n",
        ]
    )


def _beside(name: str) -> str:
    """The text of a file of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
