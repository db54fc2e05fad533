"""The notebooks run, and the numbers they quote are those they compute."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"


def printed(name: str) -> str:
    """Everything a notebook prints when it is executed from a clean kernel."""
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def number(pattern: str, text: str) -> float:
    """The number that stands for the group of `pattern`."""
    found = re.search(pattern, text)
    assert found is not None, f"{pattern} not in {text}"
    return float(found.group(1))


@pytest.mark.filterwarnings("ignore")
def test_initialisation() -> None:
    text = printed("initialisation.ipynb")
    assert number(r"kappa = 0.1: .*R\(1\) = ([\d.]+)", text) == pytest.approx(7.25, abs=1e-9)
    plateau = number(r"kappa = 0.4: .*R\(100\) = ([\d.]+)", text)
    assert plateau == pytest.approx(0.014254, abs=1.1e-6)
    assert number(r"kappa = 0.4: R\(0\) = ([\d.]+)", text) / plateau > 470
    assert number(r"mean radius at the end: ([\d.e+-]+)", text) == 0.0
    # 2 |H0| = 0.0357 with H0 = -0.017845 of the reference values
    assert number(r"growth rate of the variance: ([\d.]+)", text) == pytest.approx(2 * 0.017845, abs=6e-4)
