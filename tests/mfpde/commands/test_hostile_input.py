"""Hostile but fair input: every problem named at once, no traceback, nothing half-written, nothing lost."""

from __future__ import annotations

import fcntl
import json
import os
import random
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import to_tables
from mfpde.errors import ConfigurationError, OutputError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem.marginals import Uniform
from mfpde.results.answers.solve import SolveResult
from mfpde.shell.files import probe, reserved, write_atomically
from mfpde.shell.progress import ProgressBar
from mfpde.studies.bounds.folder import prepare_folder
from mfpde.studies.solve import solve
from tests.mfpde.decaying import Chosen, DecayingAtoms, DecayingGrid

KEYS = {
    "data": "law delta scales dims fractions centres weights width",
    "network": "activation activation.knots coefficients offsets",
    "initial": "kappa radius radius.uniform radius.table a b a.normal position position.normal position.uniform",
    "dynamics": "flow fisher_rao_rate inverse_temperature ridge ridge.a penalty.path schedule schedule.power",
    "time": "end save save.log save.first",
    "solver": "scheme tolerance cells order step courant atoms",
    "sgd": "neurons step_size replicas seed",
}
DOTTED = [f"{table}.{key}" for table, keys in KEYS.items() for key in keys.split()]
ODD = ["data", "data.delta.x", "x", "x.y", ".", "data.", ".data"]
VALUES = [
    *("nan", "inf", "-inf", "-1", "0", "-0.0", "1", "1.0", "5e-324", "1e308", "1e400", "9" * 400, "0x" + "f" * 6000),
    *("true", '"a"', "", "[]", "[[]]", "[nan]", "[1,nan]", "[3,2,1]", "[-1,2]", "[true]", '["1"]', "{}", "{x=1}"),
    *("1979-05-27", "[1,[2]]", "[[1,2],[3]]", "a,b", "1,2", "=", "a=b=c", "\x00", "é", "'''\n'''", "1\n[time]\nend=3"),
]
QUICK = ["--set", "time.end=2.0", "--set", "time.save=5", "--scheme", "decaying"]
SHORT = parse({"data": {}, "network": {}, "time": {"end": 2.0, "save": 5}})


@pytest.mark.parametrize("source", ["anisotropic-relu", "bumps-good"])
@pytest.mark.parametrize("key", [*DOTTED, *ODD])
def test_any_value_of_any_key_is_read_or_refused_in_one_line(key: str, source: str) -> None:
    for value in VALUES:
        try:
            configuration = load_configuration(source, [f"{key}={value}"])
        except ConfigurationError as error:
            for message in error.messages:
                assert "\n" not in message
                assert "\x00" not in message
                assert len(message) < 400
                assert ": " in message
                assert "write" in message or "did you mean" in message
        else:
            assert parse(to_tables(configuration)) == configuration
            assert all(np.isfinite(configuration.time.save_times))


def test_an_override_of_a_nested_key_replaces_its_rival() -> None:
    configuration = load_configuration("anisotropic-relu", ["initial.radius.uniform=[0.2, 1.0]"])
    assert (configuration.initial.kappa, configuration.initial.radius) == (None, Uniform(0.2, 1.0))


def test_an_override_sets_one_key_only() -> None:
    with pytest.raises(ConfigurationError, match=r'time\.save = "3\\n\[time\]\\nend=5"'):
        load_configuration("anisotropic-relu", ["time.save=3\n[time]\nend=5"])


def test_problems_of_every_option_are_named_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ["solve", "anisotropic-relu", "--threads", "-1", "--scheme", "characteristics", "--set", "data.delta=2"]
    arguments += ["--set", "dynamics.inverse_temperature=10", "--set", "dynamics.ridge=0.1"]
    arguments += ["--set", "nope", "-o", str(tmp_path / "no" / "run.nc"), "--plot", str(tmp_path / "file" / "figures")]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    expected = [
        "--threads -1: is not a whole",
        "--set nope: not of",
        "data.delta = 2: must",
        "dynamics.inverse_temperature: characteristics have no noise",
    ]
    expected += [f"{tmp_path}/file/figures: {tmp_path}/file is no folder", f"{tmp_path}/no/run.nc: the folder"]
    lines = err.splitlines()
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected, strict=True):
        assert words in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_source_does_not_hide_bad_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convergence", "x" * 300, "--set", "nope", "--levels", "7"]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "--levels 7: is not a whole number above 0, at most 6" in first
    assert "cannot be read (File name too long)" in second
    assert len(second) < 200
    assert "--set nope" in third


def test_places_that_are_no_ordinary_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (Path("/dev/null"), "is a device or a pipe"),
        (tmp_path / "pipe", "is a device or a pipe"),
        (tmp_path / ("a" * 300), "cannot be written (File name too long)"),
        (tmp_path / "run.nc" / "x", "does not exist"),
    ):
        with pytest.raises(OutputError) as caught:
            probe(path, force=True)
        assert words in str(caught.value)
    probe(tmp_path / ("a" * 250), force=False)
    assert Path("/dev/null").is_char_device()


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "run.nc", tmp_path / "link.nc"
    target.write_text("before")
    link.symlink_to(target)

    def write(path: Path) -> None:
        path.write_text("after")

    write_atomically(link, write)
    assert link.is_symlink()
    assert target.read_text() == "after"


def test_two_runs_do_not_share_a_file(decaying: Chosen, tmp_path: Path) -> None:
    decaying.use(DecayingAtoms(0.05))
    path = tmp_path / "run.nc"
    refused: list[str] = []

    def second_run(flow_time: float) -> None:
        if not refused:
            with pytest.raises(OutputError) as caught, reserved(path):
                pass
            refused.append(str(caught.value))

    decaying.use(DecayingAtoms(0.05, on_step=second_run))
    assert solve(Experiment(), path, scheme="decaying").status == "success"
    assert "another run is writing it; wait for that run, or name another file" in refused[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.nc"]


def test_the_lock_of_a_killed_run_does_not_hold(tmp_path: Path) -> None:
    lock = tmp_path / ".run.nc.lock"
    lock.touch()
    with reserved(tmp_path / "run.nc"), lock.open() as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not lock.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_keep_what_was_computed(
    decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: signal.Signals
) -> None:
    def strike(flow_time: float) -> None:
        if flow_time > 1.2:
            os.kill(os.getpid(), number)

    decaying.use(DecayingAtoms(0.05, on_step=strike))
    path = tmp_path / "run.nc"
    if signal.getsignal(number) is signal.SIG_IGN:  # as under nohup, which the program would respect
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    assert main(["solve", "anisotropic-relu", *QUICK, "-o", str(path), "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["status"] == "interrupted"
    assert SolveResult.load(path).time.tolist() == [0.0, 0.5, 1.0]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert main(["plot", str(path), "-o", str(path)]) == 2


def test_an_interruption_without_a_file_tells_how_to_keep_the_next(
    decaying: Chosen, capsys: pytest.CaptureFixture[str]
) -> None:
    def strike(flow_time: float) -> None:
        raise KeyboardInterrupt

    decaying.use(DecayingAtoms(0.05, on_step=strike))
    assert main(["solve", "anisotropic-relu", "--scheme", "decaying", "--set", "time.save=[1.0]", "--quiet"]) == 130
    assert "after 0 of 1 save times; nothing was written: name a file with -o" in capsys.readouterr().err


def test_a_run_without_save_times_yet_cannot_be_drawn(
    decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def strike(flow_time: float) -> None:
        raise KeyboardInterrupt

    decaying.use(DecayingGrid(on_step=strike))
    path = str(tmp_path / "run.nc")
    assert main(["solve", "anisotropic-relu", "--scheme", "decaying", "--set", "time.save=[1.0]", "-o", path]) == 130
    assert main(["plot", path]) == 2
    assert "holds no save time yet; continue it with `mfpde solve --resume`" in capsys.readouterr().err


def test_a_full_disk_still_prints_what_was_computed(
    decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(flow_time: float) -> None:
        if flow_time > 1.0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    decaying.use(DecayingAtoms(0.05, on_step=fill))
    try:
        assert main(["solve", "anisotropic-relu", *QUICK, "-o", str(tmp_path / "run.nc"), "--json"]) == 3
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["status"], answer["time"][:3]) == ("failed", [0.0, 0.5, 1.0])
    assert "run.nc: cannot be written (File too large); free space there" in err


def test_an_arithmetic_accident_is_a_failed_run(decaying: Chosen, tmp_path: Path) -> None:
    def overflow(flow_time: float) -> None:
        if flow_time > 1.2:
            np.float64(1e300) * np.float64(1e300)

    decaying.use(DecayingAtoms(0.05, on_step=overflow))
    result = solve(SHORT, tmp_path / "run.nc", scheme="decaying")
    assert (result.status, SolveResult.load(tmp_path / "run.nc").time[-1]) == ("failed", 1.0)
    assert "a number left the range of floating point (overflow" in str(result.attributes["message"])


def test_more_laws_than_a_file_holds_are_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, decaying: Chosen
) -> None:
    decaying.use(DecayingAtoms(0.05))
    monkeypatch.setattr("mfpde.studies.run.run.MAXIMUM_BYTES", 8 * 6 * 100)
    with pytest.raises(ConfigurationError, match=r"101 times of 6 numbers each exceed the 2 GB .* at most 100 times"):
        solve(Experiment(), scheme="decaying")


def test_any_damage_to_the_numbers_of_a_file_is_seen(decaying: Chosen, tmp_path: Path) -> None:
    decaying.use(DecayingGrid())
    whole = tmp_path / "run.nc"
    result = solve(SHORT, whole, scheme="decaying")
    content = whole.read_bytes()
    damaged = tmp_path / "damaged.nc"
    place = content.find(np.array(result.risk[1:3], dtype=">f8").tobytes())
    assert place > 0
    damaged.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ResultFileError, match="its content is not what was written"):
        SolveResult.load(damaged)
    source = random.Random(2)
    messages: list[str] = []
    for _ in range(300):
        broken = bytearray(content)
        broken[source.randrange(len(broken))] = source.choice([0, 127, 128, 255])
        damaged.write_bytes(broken[: source.choice([len(broken), source.randrange(len(broken))])])
        try:
            SolveResult.read(damaged)
        except ResultFileError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert max(map(len, messages)) < 400


def test_a_file_of_another_version_is_named_so(
    monkeypatch: pytest.MonkeyPatch, decaying: Chosen, tmp_path: Path
) -> None:
    decaying.use(DecayingGrid())
    monkeypatch.setattr(SolveResult, "LAYOUT", replace(SolveResult.LAYOUT, form="mfpde solve 7"))
    solve(Experiment(), tmp_path / "run.nc", scheme="decaying")
    monkeypatch.undo()
    with pytest.raises(ResultFileError, match="made by another version"):
        SolveResult.load(tmp_path / "run.nc")


def test_figures_are_kept_unless_forced(decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    decaying.use(DecayingGrid())
    solve(Experiment(), tmp_path / "run.nc", scheme="decaying")
    figure = tmp_path / "run.png"
    figure.write_text("mine")
    assert main(["plot", str(tmp_path / "run.nc")]) == 2
    assert figure.read_text() == "mine"
    assert "run.png: exists; add --force to replace it, or name another file" in capsys.readouterr().err
    assert main(["plot", str(tmp_path / "run.nc"), "--force"]) == 0
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("redirection", "code", "words"),
    [
        (">/dev/full", 3, "standard output: cannot be written (No space left on device)"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("| true", 0, ""),
    ],
)
def test_standard_streams_may_be_full_or_closed(redirection: str, code: int, words: str) -> None:
    command = f"{sys.executable} -m mfpde presets {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_complaints_go_nowhere_rather_than_into_the_output() -> None:
    command = f"{sys.executable} -m mfpde solve nothing --json 2>&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_bar_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        encoding = "ascii"

        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 2

    for columns in (8, 20, 200):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setattr("os.get_terminal_size", lambda number, size=columns: os.terminal_size((size, 24)))
        ProgressBar()("t = 1.234 " * 30, 0.5)
        line = terminal.getvalue().removeprefix("\r\x1b[K")
        assert len(line) == columns - 1
        assert line.isascii()
        assert columns == 8 or "50 %" in line


SWEEP = ["basins", "nonmonotone-failure", "--vary", "initial.kappa=0.1:0.2:2", "--set", "time.end=0.1", "--quiet"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("sweep") / "sweep.json"
    assert main([*SWEEP, "--workers", "1", "-o", str(place)]) == 0
    return place.read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    ("written", "damaged"),
    [
        ('"risk": ', '"risk": NaN, "was": '),
        ('"risk": ', '"risk": 1e400, "was": '),
        ('"risk": ', '"risk": true, "was": '),
        ('"risk": ', f'"risk": {"9" * 400}, "was": '),
        ('"at_rest"', '"rest"'),
        ('"spread"', '"spreads"'),
        ('"weight": 1.0', '"weight": -1.0'),
        ('"atoms": [', '"atoms": [], "was": ['),
        ('"position": {"r1"', '"position": {"r2"'),
        ('"points": [', '"points": [7, '),
        ('{"vary"', "[" * 100_000 + '{"vary"'),
    ],
)
def test_any_damage_to_a_sweep_is_seen(
    swept: str, written: str, damaged: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = tmp_path / "sweep.json"
    text = swept.replace(written, damaged, 1)
    assert text != swept
    place.write_text(text)
    assert main([*SWEEP, "-o", str(place), "--resume", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert "a damaged sweep" in line or "not a sweep" in line
    assert "name another file with -o, or replace this one with --force" in line
    assert place.read_text() == text


@pytest.mark.parametrize("command", ["branches", "basins"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--vary", "x", "--vary", "data.delta=2:1", "--set", "nope=1", "--scheme", "jko,x"],
            ["--vary x: is not", "--vary data.delta=2:1: needs two", "--set nope=1", 'solver.scheme = "jko,x"'],
        ),
        (["--vary", "data.law=1,2"], ["data.law = 1: must be one of", "data.law = 2: must be one of"]),
        (["--vary", "data.delta=0.5,2"], ["data.delta = 2: must be a number"]),
        (["--vary", "data.delta.x=1,2"], ["data.delta is not a table", "data.delta is not a table"]),
        (["--vary", ".=1:2"], ["--vary .=1:2: is not of the form"]),
        (["--vary", "data.delta=0.1:0.2", "--radius", "1e300"], ["--radius 1e300: is not a finite number above 0, at"]),
    ],
)
def test_a_mistake_in_a_varied_key_is_one_line_and_hides_no_other(
    command: str, arguments: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "anisotropic-relu", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for line, words in zip(err.splitlines(), expected, strict=True):
        assert words in line


@pytest.mark.parametrize(
    ("key", "words"),
    [("data.law", "data.law = 1: must be one of"), ("data.delta.x", "--set data.delta.x=1: data.delta is not a table")],
)
def test_many_wrong_values_of_a_key_are_one_line(key: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["basins", "anisotropic-relu", "--vary", f"{key}=1:2:900"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert line.endswith(" (and 899 more values)")


def test_without_a_source_every_other_mistake_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stationary", "--radius", "0", "--set", "nope", "-o", "/dev/null/x", "--threads", "0"]) == 2
    lines = capsys.readouterr().err.splitlines()
    expected = ["--threads 0", "/dev/null/x", "--radius 0", "name a problem", "--set nope"]
    assert len(lines) == len(expected)
    assert all(words in line for words, line in zip(expected, lines, strict=True))


def test_mistakes_of_an_output_and_of_sgd_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--set", "sgd.step_size=1e-300", "--threads", "0", "-o", "/dev/null/x", "--resume", "--force"]
    assert main(["sgd", "nonmonotone-failure", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    expected = ["--threads 0", "sgd.step_size: more than 1e+12 steps", "--resume and --force", "/dev/null/x"]
    assert len(lines) == len(expected)
    assert all(words in line for words, line in zip(expected, lines, strict=True))


@pytest.mark.parametrize("run", ["", ".", "/", ".."])
def test_a_folder_is_not_drawn(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", run]) == 2
    assert "is a directory; write the path of a file that `mfpde solve -o` made" in capsys.readouterr().err


def test_files_of_sgd_are_named_so_and_a_refused_comparison_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place, quick = tmp_path / "run.nc", ["--set", "time.end=0.001", "--set", "time.save=2", "--set", "sgd.neurons=5"]
    assert main(["sgd", "nonmonotone-failure", *quick, "--workers", "1", "--quiet", "-o", str(place)]) == 0
    assert main(["distance", str(place), str(place)]) == 2
    assert "run.nc: a result of `mfpde sgd`; write a file that `mfpde solve -o` made" in capsys.readouterr().err
    other = [*quick[:-1], "sgd.neurons=6", "-o", str(place), "--resume", "--workers", "1"]
    assert main(["compare", "nonmonotone-failure", *other]) == 2
    assert "comes from another configuration, which differs in sgd.neurons" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run.nc"]


def test_a_forced_sweep_removes_its_own_runs_only(tmp_path: Path) -> None:
    ours, other = tmp_path / f"sgd-{'0a' * 10}.json", tmp_path / "sgd-notes.json"
    for place in (ours, other):
        place.touch()
    prepare_folder(tmp_path, Experiment(), force=True)
    assert not ours.exists()
    assert other.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("check isotropic-gaussians --set initial.kappa=0.4 --set initial.radius=1.0", ["initial.kappa"]),
        ("check isotropic-gaussians --set data.scales=[[1,2]] --set data.delta=0.4", ["data.delta"]),
        ("check dataset-tanh --set data.points=[] --set data.values=[]", ["data.points = []", "data.values = []"]),
        ("check isotropic-gaussians --set solver.step=1e-300", ["solver.step = 1e-300: more than 1e+09 steps"]),
        ("predict no.nc no.csv --time x", ["--time x:", "no.nc: no such file", "no.csv: cannot be read"]),
    ],
)
def test_contradictions_and_emptiness_are_told_and_hide_nothing(
    arguments: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Overrides that exclude each other, lists without entries, runs without end, and all files of a command."""
    assert main(arguments.split()) == 2
    err = capsys.readouterr().err
    for each in words:
        assert each in err
    assert len(err.splitlines()) == len(words)
