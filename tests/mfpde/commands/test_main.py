"""The command line: outputs, exit codes, and what stays on standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

import mfpde
from mfpde import presets
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.problem.laws.gaussian_mixture import GaussianMixture
from mfpde.results.answers.solve import SolveResult
from tests.mfpde.decaying import Chosen, DecayingAtoms, DecayingGrid

QUICK = ["--set", "time.end=2.0", "--set", "time.save=5", "--scheme", "decaying"]


def test_help_imports_nothing_heavy_and_answers_at_once() -> None:
    code = "import sys; from mfpde.commands.main import main; main(['--help']); "
    code += "print(sorted(sys.modules), file=sys.stderr)"
    started = perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert perf_counter() - started < 1.0
    for heavy in ("numpy", "scipy", "numba", "matplotlib", "basix", "tomllib"):
        assert f"'{heavy}'" not in done.stderr
    assert "solve" in done.stdout


@pytest.mark.parametrize("preset", ["isotropic-gaussians", "bumps-good"])
def test_reading_a_configuration_and_asking_what_serves_it_loads_no_compiler(preset: str) -> None:
    code = f"import sys; from mfpde.commands.main import main; code = main(['check', {preset!r}]); "
    code += "sys.exit(code or 10 * ('numba' in sys.modules) or 20 * ('scipy.stats' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mfpde {mfpde.__version__}\n"


def test_presets_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert tuple(line.split()[0] for line in listed) == presets.names()
    assert main(["presets", "isotropic-gaussians"]) == 0
    assert parse(tomllib.loads(capsys.readouterr().out)).data == GaussianMixture(delta=0.8, dims=(40,))
    assert main(["presets", "isotropic"]) == 2
    assert "did you mean isotropic-gaussians?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "isotropic-gausians"], "did you mean the preset isotropic-gaussians?"),
        (
            [
                *("solve", "isotropic-gaussians", "--scheme", "jko", "--set", "data.dims=1001"),
                *("--set", "dynamics.inverse_temperature=10", "--set", "dynamics.ridge=0.1"),
            ],
            "data.dims: noise is not resolved yet in blocks above 1000",
        ),
        (["solve", "anisotropic-relu", "--scheme", "finite-volumes"], 'scheme = "finite-volume"'),
        (["solve", "anisotropic-relu", "--resume"], "name it with -o RUN.nc"),
        (["solve", "anisotropic-relu", "--threads", "0"], "not a whole number above 0"),
        (["sovle"], "invalid choice"),
        (["plot", "no.nc"], "no.nc: no such file"),
        ([], "required"),
    ],
)
def test_bad_input_exits_2_with_nothing_on_standard_output(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def test_every_mistake_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "anisotropic-relu", "--set", "data.delta=2", "--set", "time.ned=3", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[1].rstrip(":") for line in err.splitlines()] == ["data.delta", "time.ned"]


def test_json_is_one_strict_object(decaying: Chosen, capsys: pytest.CaptureFixture[str]) -> None:
    decaying.use(DecayingAtoms(0.05), DecayingAtoms(0.1))
    assert main(["solve", "anisotropic-relu", *QUICK, "--json"]) == 0
    out, err = capsys.readouterr()

    def refuse(name: str) -> None:
        raise AssertionError(name)

    answer = json.loads(out, parse_constant=refuse)
    assert err == ""
    assert answer["time"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert answer["risk"][2] == pytest.approx((0.74**2 + 0.49**2) * np.exp(-2.0), rel=1e-3)
    assert set(answer) == {
        *("time", "risk", "risk_error", "free_energy", "mass", "mean", "variance"),
        *("free_energy_error", "dissipation", "dissipation_error", "dissipated", "balance"),
        *("covariance", "scheme", "notes", "wall_seconds", "status"),
        *("mass_error", "mean_error", "variance_error", "covariance_error"),
    }
    assert answer["notes"][-1] == "a note"
    assert set(answer["mean"]) == {"r1", "r2"}
    assert answer["status"] == "success"


def test_the_table_shows_first_and_last_time(decaying: Chosen, capsys: pytest.CaptureFixture[str]) -> None:
    decaying.use(DecayingAtoms(0.05), DecayingAtoms(0.1))
    assert main(["solve", "anisotropic-relu", "--set", "time.end=2.0", "--scheme", "decaying"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["t", "risk", "error", "mean", "r1", "mean", "r2", "var", "r1", "var", "r2"]
    assert lines[1].split()[:2] == ["0", "0.7877"]
    assert lines[-3].split()[0] == "2"
    assert lines[-2] == "note: a note"
    assert len(lines) == 24
    assert main(["solve", "anisotropic-relu", *QUICK, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_exit_codes_of_failed_and_interrupted_runs(
    decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    decaying.use(DecayingAtoms(0.05, fail_after=1.0))
    assert main(["solve", "anisotropic-relu", *QUICK, "-o", str(tmp_path / "failed.nc")]) == 3
    assert "t = 1: the step collapsed" in capsys.readouterr().err
    assert SolveResult.load(tmp_path / "failed.nc").status == "failed"

    for k, told in enumerate((KeyboardInterrupt(), SystemError("compiled code returned with an exception set"))):

        def interrupt(flow_time: float, told: BaseException = told) -> None:
            if flow_time > 0.7:
                raise told from KeyboardInterrupt()

        decaying.use(DecayingAtoms(0.05, on_step=interrupt))
        assert main(["solve", "anisotropic-relu", *QUICK, "-o", str(tmp_path / f"stopped{k}.nc"), "--json"]) == 130
        out, err = capsys.readouterr()
        assert json.loads(out)["time"] == [0.0, 0.5]
        assert "continue with --resume" in err


@pytest.mark.long
def test_figures_and_plot(
    monkeypatch: pytest.MonkeyPatch, decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from PIL import Image

    decaying.use(DecayingGrid())
    run, folder = tmp_path / "run.nc", tmp_path / "figures"
    assert main(["solve", "anisotropic-relu", *QUICK, "-o", str(run), "--plot", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["density.pdf", "density.png", "risk.pdf", "risk.png"]
    with Image.open(folder / "risk.png") as image:
        colours = image.convert("RGB").getcolors(10**6)
    assert (0, 114, 178) in {colour for _, colour in colours or ()}
    assert main(["plot", str(run), "-o", str(tmp_path / "law.gif")]) == 0
    with Image.open(tmp_path / "law.gif") as image:
        assert getattr(image, "n_frames", 1) == 5
    assert main(["plot", str(run)]) == 0
    assert (tmp_path / "run.png").exists()
    capsys.readouterr()
    assert main(["plot", str(run), "-o", str(tmp_path / "law.bmp")]) == 2
    assert "write a name that ends in .png" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["plot", str(run), "-o", str(tmp_path / "law.mp4")]) == 2
    assert "install ffmpeg, or write a name that ends in .gif" in capsys.readouterr().err
    assert not (tmp_path / "law.mp4").exists()


def test_threads_reach_the_compiled_kernels() -> None:
    code = "from mfpde.commands.main import main; main(['presets', '--help']); "
    code += "main(['solve', 'nothing', '--threads', '1']); import numba; print(numba.get_num_threads())"
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "1"


def stopped(*given: object, **named: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("mfpde.commands.driver.show", "interrupted when all was computed; {} holds what was computed"),
        ("mfpde.studies.solve.solve", "interrupted before the end; nothing was written"),
    ],
)
def test_an_interruption_says_what_it_leaves(
    decaying: Chosen,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    at: str,
    words: str,
) -> None:
    """While the answer is told the file is complete; of an unchanged one it is said that it is."""
    decaying.use(DecayingAtoms(0.05), DecayingAtoms(0.1))
    place = tmp_path / "run.nc"
    arguments = ["solve", "anisotropic-relu", *QUICK, "-o", str(place)]
    with monkeypatch.context() as patched:
        patched.setattr(at, stopped)
        assert main(arguments) == 130
    assert capsys.readouterr().err == f"mfpde: {words.format(place)}\n"
    decaying.use(DecayingAtoms(0.05), DecayingAtoms(0.1))
    assert main([*arguments, "--resume"] if place.exists() else arguments) == 0
    capsys.readouterr()
    monkeypatch.setattr("mfpde.studies.solve.solve", stopped)
    assert main([*arguments, "--resume"]) == 130
    assert capsys.readouterr().err == f"mfpde: interrupted before the end; {place} is as it was before\n"
    assert SolveResult.load(place).status == "success"
