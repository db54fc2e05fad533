"""Every file that the program writes opens as the answer it holds, those of earlier versions too, and can be drawn."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.io import netcdf_file

import mfpde
from mfpde.commands.main import main
from mfpde.errors import EarlierFileWarning, OutputError, ResultFileError
from mfpde.results.answer import ANSWERS
from mfpde.results.answers.branches import Branches
from mfpde.results.answers.compare import CompareResult
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult

EARLIER = Path(__file__).parent / "earlier"
pytestmark = pytest.mark.filterwarnings("ignore::mfpde.errors.EarlierFileWarning")
"""Files that the version before the first with a format in its JSON files wrote, some with fewer points."""
JSON = ("optimum", "gibbs", "stationary", "ending", "branches", "basins", "bounds")
QUICK = ["--set", "data.dims=10", "--set", "time.end=0.02", "--set", "time.save=3", "--set", "sgd.neurons=8"]


@pytest.mark.parametrize("name", JSON)
def test_an_earlier_json_file_is_known_by_its_keys_and_tells_the_same_again(name: str, tmp_path: Path) -> None:
    answer = mfpde.load(EARLIER / f"{name}.json")
    assert type(answer) is ANSWERS[name]
    content = json.loads((EARLIER / f"{name}.json").read_text())
    content.pop("provenance", None)
    # laws have been told to be alone, or not, since then
    told = json.dumps(answer.to_json())
    assert told.replace('"family": null, ', "") == json.dumps(content)
    assert answer.table()
    # what is written now says what it is, last
    answer.save(tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert list(again)[-2:] == ["format", "checksum"]
    assert again["format"] == f"mfpde {name} 1"
    assert json.dumps(mfpde.load(tmp_path / "again.json").to_json()) == told


@pytest.mark.parametrize(("name", "kind"), [("solve", SolveResult), ("sgd", SgdResult)])
def test_an_earlier_trajectory_opens(name: str, kind: type) -> None:
    assert type(mfpde.load(EARLIER / f"{name}.nc")) is kind


@pytest.mark.parametrize("name", [*(f"{name}.json" for name in JSON), "solve.nc", "sgd.nc"])
def test_every_file_is_drawn(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / name
    shutil.copy(EARLIER / name, place)
    assert main(["plot", str(place)]) == 0
    assert capsys.readouterr().out == f"{place.with_suffix('.png')}\n"
    assert place.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("name", ["basins.json", "sgd.nc", "solve.nc"])
def test_a_file_without_a_checksum_of_everything_says_so(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(EarlierFileWarning, match=f"{name}: written by an earlier version, without a checksum"):
        mfpde.load(EARLIER / name)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["plot", str(EARLIER / name), "-o", "nowhere.xyz"]) == 2
    assert f"{name}: written by an earlier version, without a checksum" in capsys.readouterr().err


def test_the_folder_of_a_sweep_opens(tmp_path: Path) -> None:
    shutil.copy(EARLIER / "bounds.json", tmp_path / "bounds.json")
    assert type(mfpde.load(tmp_path)) is ANSWERS["bounds"]


def test_an_event_is_put_back_on_its_branch_where_its_key_and_atoms_say() -> None:
    found = mfpde.load(EARLIER / "branches.json")
    assert isinstance(found, Branches)
    (event,) = found.branches[0].events
    assert event.place == pytest.approx(0.75, abs=1e-9)


def test_a_comparison_opens_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run.nc"
    command = ["compare", "isotropic-gaussians", *QUICK, "--workers", "1", "--json", "-o", str(place)]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    found = mfpde.load(place)
    assert isinstance(found, CompareResult)
    assert json.dumps(found.to_json()) == json.dumps(told)
    assert main(["plot", str(place)]) == 0
    # the replicas are there as before, and can be gone on from
    assert SgdResult.read(place)[1]["w_0"].shape == (8, 10)
    found.save(tmp_path / "copy.nc")
    again = mfpde.load(tmp_path / "copy.nc")
    assert json.dumps(again.to_json()) == json.dumps(told)


def test_a_figure_shows_itself_in_a_notebook_and_what_rests_does_not_move(tmp_path: Path) -> None:
    answer = mfpde.load(EARLIER / "optimum.json")
    assert answer.plot()._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(OutputError, match=r"only the law of a run of `mfpde solve` moves"):
        answer.plot(tmp_path / "optimum.gif")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}', "a JSON object, but not a result of this program"),
        ("{", "no whole JSON object"),
        ('{"risk": NaN}', "NaN is no number"),
        ('{"format": "mfpde optimum 1", "risk": 1.0}', "a damaged result file"),
        ('{"format": "mfpde bounds run 1"}', "not a result of this program"),
        ("[1, 2]", "not a NetCDF-3 file"),
    ],
)
def test_any_other_file_is_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    place = tmp_path / "file.json"
    place.write_text(text)
    with pytest.raises(ResultFileError) as caught:
        mfpde.load(place)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_any_damage_to_a_json_file_is_seen(tmp_path: Path) -> None:
    """A value of another type, wherever it is, or a missing key."""
    text = (EARLIER / "stationary.json").read_text()
    for old, new in (
        ('"weight": ', '"weight": "a", "was": '),
        ('"drift": ', '"drifts": '),
        ('"stable": ', '"stable": 2, "was": '),
    ):
        assert old in text
        (tmp_path / "file.json").write_text(text.replace(old, new, 1))
        with pytest.raises(ResultFileError, match="damaged"):
            mfpde.load(tmp_path / "file.json")


def test_the_moments_of_the_atoms_are_those_of_the_law() -> None:
    best = mfpde.load(EARLIER / "optimum.json")
    assert isinstance(best, AtomicOptimum)
    assert np.allclose([best.mean, best.variance], [[0.0], [2.0 / 3.0 * 2.5**2]])


def test_the_risk_is_called_what_the_law_calls_it(tmp_path: Path) -> None:
    """On axes and in files; a file of an earlier version does not say, and means the mean square error."""
    bumps = mfpde.solve("bumps-good", tmp_path / "run.nc", scheme="characteristics", end=0.1, save=2)
    assert bumps.plot().subfigs[0].axes[0].get_ylabel() == r"risk $R(\rho_t)$, squared L2 distance"
    with netcdf_file(tmp_path / "run.nc", mmap=False) as file:
        assert file.variables["risk"].long_name == b"risk R = squared L2 distance"
    earlier = SolveResult.load(EARLIER / "solve.nc")
    assert earlier.plot().subfigs[0].axes[0].get_ylabel() == r"risk $R(\rho_t) = \mathbb{E}\,(y - f)^2$"
