"""The project's own promises: README's commands and example, the package list, the citation."""

from __future__ import annotations

import configparser
import os
import re
import shlex
from pathlib import Path

import pytest

import mfpde
from mfpde import presets
from mfpde.commands.main import main
from mfpde.configuration.sources import load_configuration
from tests.mfpde.decaying import DecayingAtoms, lent

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCHEME = load_configuration("anisotropic-relu").solver.scheme or ""
"""That of README's commands."""


def test_readme_has_two_blocks_of_commands_and_the_first_one_runs_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    checks = ("ruff check .", "ruff format --check .", "mypy", "lint-imports", "pytest")
    assert re.findall(r"\.venv/bin/(.*?) *(?:&&|\n)", blocks[1])[1:] == list(checks)
    command = shlex.split(blocks[0].split(".venv/bin/mfpde ")[1])
    monkeypatch.chdir(tmp_path)
    with lent(SCHEME) as quick:
        quick.use(DecayingAtoms(0.05), DecayingAtoms(0.1))
        assert main(command) == 0
        assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("figures: figures/risk.png")
    assert (tmp_path / "anisotropic.nc").exists()
    assert (ROOT / "docs" / "anisotropic.png").exists()


def test_readme_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    with lent(SCHEME) as quick:
        quick.use(DecayingAtoms(0.025), DecayingAtoms(0.05))
        exec(compile(example, "README.md", "exec"), {})
    risk, error = (float(word) for word in capsys.readouterr().out.split())
    assert risk == pytest.approx((0.74**2 + 0.49**2) * 4.54e-5, rel=0.03)
    # the largest difference to the coarser run from a tenth of the time on
    assert 0.0 < error < 1e-4


def test_every_package_is_listed_for_installation() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = set(settings["options"]["packages"].split())
    found = {
        ".".join(("mfpde", *path.parent.relative_to(ROOT).parts)) for path in (ROOT / "solvers").rglob("__init__.py")
    }
    for path in (ROOT / "mfpde").rglob("__init__.py"):
        parts = path.parent.relative_to(ROOT).parts
        if parts[:2] != ("mfpde", "solvers"):
            found.add(".".join(parts))
    assert listed == found


def test_every_public_name_is_found_where_it_is_made() -> None:
    own = {"Activation": ("Sampled",), "activation": ("register",), "loss": ("register",), "marginal": ("register",)}
    for name in set(mfpde.__all__) - {"__version__"}:
        value = getattr(mfpde, name)
        assert getattr(value, "__name__", name) in (name, *own.get(name, ())), name
    with pytest.raises(AttributeError, match="has no attribute 'Path'"):
        getattr(mfpde, "Path")  # noqa: B009


def test_no_folder_holds_more_than_twelve_modules() -> None:
    for package in ("mfpde", "solvers", "tests", "validation"):
        for folder, _, files in os.walk(ROOT / package):
            modules = [name for name in files if name.endswith(".py") and name != "__init__.py"]
            assert len(modules) <= 12, f"{folder} holds {len(modules)} modules: make folders of what belongs together"


def test_version_and_presets_agree_with_the_papers_of_record() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {mfpde.__version__}" in citation
    assert f"## {mfpde.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    papers = {"bumps": "ICML 2019", "single-index-erf": "4225", "committee-erf": "4225", "single-index-relu": "1889"}
    papers |= {"generalisation": "1889"}
    papers |= {"single-index-he3": "JMLR 22 (2021) 106", "phase-retrieval": "JMLR 22 (2021) 106"}
    papers |= {"anisotropic-relu-trained": "1902.06015", "relu-teacher": "1805.09545", "dataset-tanh": "1805.09545"}
    papers |= {"margin": "2002.04486"}
    papers |= {"three-spin": "1805.00915"}
    papers |= {"spikes": "Math. Program. 194 (2022) 487"}
    for name in presets.names():
        paper = next((paper for start, paper in papers.items() if name.startswith(start)), "E7665")
        assert paper in presets.text(name)
