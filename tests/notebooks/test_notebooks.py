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


@pytest.mark.filterwarnings("ignore")
def test_pde_versus_sgd() -> None:
    text = printed("pde_versus_sgd.ipynb")
    equation = number(r"R\(10\) of the equation: ([\d.]+)", text)
    assert equation == pytest.approx(0.76770, abs=2e-4)
    network = number(r"R_N\(10\) of SGD, N = 400: ([\d.]+)", text)
    assert 0.0 < network - equation < 3e-3
    assert number(r"mean of sup .*: ([\d.]+)", text) < 0.01
    # N^-1/2 as the bounds allow, and what eight replicas leave open
    assert -1.0 < number(r"exponent of the mean sup gap: ([\d.-]+)", text) < -0.25
    assert -1.0 < number(r"exponent of the spread of replicas: ([\d.-]+)", text) < -0.25
    assert number(r"largest over smallest dimension: ([\d.]+)", text) < 1.5
    gaps = {name: number(rf"gap {name}: ([\d.e+-]+)", text) for name in ("pde_nd", "nd_pd", "pd_gd", "gd_sgd")}
    assert gaps["pd_gd"] < 1e-4 < gaps["gd_sgd"] < 0.05
    assert max(gaps["pde_nd"], gaps["nd_pd"]) < 0.02
    assert number(r"ratio to the Monte-Carlo value at t = 0: ([\d.]+)", text) == pytest.approx(1.0, abs=0.15)
    assert number(r"ratio to the Monte-Carlo value at t = 10: ([\d.]+)", text) < 1.0
