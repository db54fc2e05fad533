"""The documentation site: Sphinx reads the pages of this folder, docstrings, and notebooks with their outputs."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import files
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from generated import docstring_as_markup, notebooks_within, write_pages  # noqa: E402

from mfpde import __version__  # noqa: E402

project = "mfpde"
author = "mfpde developers"
copyright = "mfpde developers"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["build", "_build", "examples"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False
nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"Array": "Array"}
python_use_unqualified_type_names = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"mfpde {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {"svg": {"fontCache": "global"}, "options": {"enableMenu": False}}

(HERE / "_static" / "mathjax").mkdir(parents=True, exist_ok=True)
write_pages(HERE)


def _offline_mathematics() -> None:
    """One file of MathJax, of 2 MB, so that the pages can be read without a network."""
    packed = next(place for place in files("sphinx-mathjax-offline") or () if place.name == "tex-svg.js")
    shutil.copy(str(packed.locate()), HERE / "_static" / "mathjax" / "tex-svg.js")


_offline_mathematics()


def setup(app: Any) -> None:
    """Docstrings are plain text here: bars and stars in them are no markup."""
    app.connect("autodoc-process-docstring", docstring_as_markup, priority=100)
    app.connect("source-read", notebooks_within)
