"""solve: error estimate, interruption, failure, resumption bit for bit, and the files it leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError, OutputError, ResultFileError, RunOutputError
from mfpde.experiment import Experiment
from mfpde.results.answers.solve import SolveResult
from mfpde.studies.run import campaign
from mfpde.studies.run.trajectory import estimated_error
from mfpde.studies.solve import solve
from tests.mfpde.decaying import MASSES, START, Chosen, DecayingAtoms, DecayingGrid

ARRAYS = (
    "time",
    "risk",
    "risk_error",
    "free_energy",
    "mass",
    "mean",
    "variance",
    "covariance",
    "weight",
    "position",
    "density",
)


def configuration(**time: object) -> Experiment:
    solver = {"scheme": "decaying"}
    return parse({"data": {}, "network": {}, "solver": solver, "time": {"end": 2.0, "save": 9, **time}})


def assert_same(first: SolveResult, second: SolveResult) -> None:
    """Equal bit for bit, NaN included."""
    for key in ARRAYS:
        left, right = getattr(first, key), getattr(second, key)
        assert (left is None) == (right is None), key
        if left is not None:
            assert left.shape == right.shape, key
            assert left.tobytes() == right.tobytes(), key


def test_the_estimate_bounds_the_error_and_the_schedule_sets_the_clock(
    decaying: Chosen,
) -> None:
    decaying.use(DecayingAtoms(0.05), DecayingAtoms(0.1))
    slowed = parse(
        {
            "data": {},
            "network": {},
            "time": {"end": 2.0, "save": 9},
            "dynamics": {"schedule": {"power": -0.5}},
            "solver": {"scheme": "decaying"},
        }
    )
    result = solve(slowed)
    mean = MASSES @ START
    exact = float(mean @ mean) * np.exp(-2.0 * 2.0 * np.sqrt(result.time))
    error = np.abs(result.risk - exact)
    assert error[-1] > 1e-7
    assert np.all(error <= result.risk_error)
    assert np.all(result.risk_error <= 20.0 * error.max())
    assert result.attributes["notes"] == "a note"


def test_the_error_estimate_looks_past_an_accidental_crossing() -> None:
    audit = np.array([(0.0, 0.3), (0.05, 0.2), (0.2, 0.1), (1.0, 0.0), (1.5, 0.05), (2.5, 0.03), (10.0, 0.4)])
    times, gaps = audit[:, 0], np.column_stack([audit[:, 1], np.zeros(len(audit))])
    # at 1 the difference vanishes: the largest of those from 0.1 to 2 counts; at 0 and 10 their own neighbourhood
    found = estimated_error([0.0, 1.0, 2.1, 10.0], times, gaps, np.array([0.01, 0.02]))
    np.testing.assert_allclose(found[:, 0], [0.3, 0.1, 0.05, 0.4])
    np.testing.assert_allclose(found[:, 1], 0.02)
    np.testing.assert_allclose(estimated_error([0.1, 1.0], times, gaps, np.array([0.25, 0.25])), 0.25)


@pytest.mark.parametrize("kind", ["atoms", "grid"])
def test_files_give_back_every_bit(decaying: Chosen, tmp_path: Path, kind: str) -> None:
    main = DecayingAtoms(0.05, drop_after=1.0) if kind == "atoms" else DecayingGrid()
    decaying.use(main)
    result = solve(configuration(), tmp_path / "run.nc")
    read = SolveResult.load(tmp_path / "run.nc")
    assert_same(result, read)
    assert (read.status, read.scheme, read.names) == ("success", "decaying", ("r1", "r2"))
    assert "delta = 0.8" in str(read.attributes["configuration"])
    assert read.attributes["version_numpy"] == np.__version__
    assert [path.name for path in tmp_path.iterdir()] == ["run.nc"]


def test_cell_masses_come_back_from_densities(decaying: Chosen) -> None:
    decaying.use(DecayingGrid())
    result = solve(configuration())
    np.testing.assert_allclose(result.cell_masses.sum(axis=(1, 2)), 1.0, rtol=1e-14)
    first = np.array([[0.0, 0.0], [0.125, 0.25], [0.5, 0.125]])
    np.testing.assert_allclose(result.cell_masses[0], first, rtol=1e-15)
    assert result.density is not None
    np.testing.assert_allclose(result.density[0, 1, 1], 0.25 / (0.5 * 0.75), rtol=1e-15)


def test_xarray_opens_the_file(decaying: Chosen, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    decaying.use(DecayingGrid())
    result = solve(configuration(), tmp_path / "grid.nc")
    decaying.use(DecayingAtoms(0.05))
    atoms = solve(configuration(), tmp_path / "atoms.nc")
    with xarray.open_dataset(tmp_path / "grid.nc", engine="scipy") as data:
        assert data["density"].dims == ("time", "r1", "r2")
        np.testing.assert_array_equal(data["risk"].values, result.risk)
        np.testing.assert_array_equal(data["r1_edges"].values, DecayingGrid().edges[0])
        assert data.attrs["status"] == "success"
    with xarray.open_dataset(tmp_path / "atoms.nc", engine="scipy") as data:
        assert data["position"].dims == ("time", "atom", "coordinate")
        np.testing.assert_array_equal(data["weight"].values, atoms.weight)


class Stop:
    """Raises KeyboardInterrupt at the n-th step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, flow_time: float) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at_step", [1, 2, 17, 39])
@pytest.mark.parametrize("who", ["main", "companion"])
def test_a_resumed_run_equals_the_uninterrupted_one(decaying: Chosen, tmp_path: Path, at_step: int, who: str) -> None:
    decaying.use(DecayingAtoms(0.047, drop_after=1.0), DecayingAtoms(0.09))
    whole = solve(configuration())
    stop = {who: Stop(at_step if who == "main" else min(at_step, 20))}
    main = DecayingAtoms(0.047, drop_after=1.0, on_step=stop.get("main", lambda time: None))
    companion = DecayingAtoms(0.09, on_step=stop.get("companion", lambda time: None))
    decaying.use(main, companion)
    path = tmp_path / "run.nc"
    part = solve(configuration(), path)
    assert (part.status, SolveResult.load(path).status) == ("interrupted", "interrupted")
    assert len(part.time) < len(whole.time)
    assert "continue with --resume" in str(part.attributes["message"])
    read, arrays = SolveResult.read(path)
    replace(read, wall_seconds=1000.0).save(path, arrays)
    resumed = solve(configuration(), path, resume=True)
    assert resumed.status == "success"
    assert_same(resumed, whole)
    assert_same(SolveResult.load(path), whole)
    assert 1000.0 < resumed.wall_seconds < 1900.0


@pytest.mark.parametrize("kind", ["atoms", "grid"])
@pytest.mark.parametrize("at_step", [1, 3, 30])
def test_an_interruption_before_the_first_save_time_loses_nothing(
    decaying: Chosen, tmp_path: Path, kind: str, at_step: int
) -> None:
    late = configuration(save=[1.9, 2.0])
    scheme = DecayingAtoms if kind == "atoms" else DecayingGrid
    decaying.use(scheme(0.047), scheme(0.09))
    whole = solve(late)
    decaying.use(scheme(0.047, on_step=Stop(at_step)), scheme(0.09))
    part = solve(late, tmp_path / "run.nc")
    assert part.attributes["message"] == "interrupted after 0 of 2 save times; continue with --resume"
    assert_same(SolveResult.load(tmp_path / "run.nc"), part)
    assert (part.time.shape, part.mean.shape) == ((0,), (0, 2))
    counted: list[float] = []
    decaying.use(scheme(0.047, on_step=counted.append), scheme(0.09))
    assert_same(solve(late, tmp_path / "run.nc", resume=True), whole)
    assert_same(SolveResult.load(tmp_path / "run.nc"), whole)
    # The steps before the interruption are not taken again.
    assert at_step == 1 or counted[0] > 0.0


def test_a_killed_run_resumes_from_its_last_checkpoint(
    monkeypatch: pytest.MonkeyPatch, decaying: Chosen, tmp_path: Path
) -> None:
    def kill(flow_time: float) -> None:
        if flow_time > 1.3:
            raise SystemError("killed")

    decaying.use(DecayingAtoms(0.047), DecayingAtoms(0.09))
    whole = solve(configuration())
    monkeypatch.setattr(campaign, "CHECKPOINT_SECONDS", 0.0)
    decaying.use(DecayingAtoms(0.047, on_step=kill), DecayingAtoms(0.09))
    with pytest.raises(SystemError):
        solve(configuration(), tmp_path / "run.nc")
    assert SolveResult.load(tmp_path / "run.nc").status == "running"
    decaying.use(DecayingAtoms(0.047), DecayingAtoms(0.09))
    assert_same(solve(configuration(), tmp_path / "run.nc", resume=True), whole)


def test_a_failed_step_keeps_what_was_computed(decaying: Chosen, tmp_path: Path) -> None:
    decaying.use(DecayingAtoms(0.05, fail_after=1.0))
    result = solve(configuration(), tmp_path / "run.nc")
    assert (result.status, result.time[-1]) == ("failed", 1.0)
    assert "t = 1: the step collapsed at flow time 1; raise solver.cells" in str(result.attributes["message"])
    assert_same(SolveResult.load(tmp_path / "run.nc"), result)


def test_resume_refuses_another_configuration(decaying: Chosen, tmp_path: Path) -> None:
    decaying.use(DecayingAtoms(0.05))
    solve(configuration(), tmp_path / "run.nc")
    with pytest.raises(
        ConfigurationError, match=r"differs in time\.end.*; resume with the same values or a later time"
    ):
        solve(configuration(end=0.5), tmp_path / "run.nc", resume=True)


def test_an_existing_file_is_kept(decaying: Chosen, tmp_path: Path) -> None:
    decaying.use(DecayingAtoms(0.05))
    path = tmp_path / "run.nc"
    solve(configuration(), path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists; add --force"):
        solve(configuration(end=3.0), path)
    assert path.read_bytes() == before
    solve(configuration(end=3.0), path, force=True)
    assert SolveResult.load(path).time[-1] == 3.0


def test_unwritable_places_are_found_before_the_run(decaying: Chosen, tmp_path: Path) -> None:
    def never(flow_time: float) -> None:
        raise AssertionError("the run started")

    decaying.use(DecayingAtoms(0.05, on_step=never))
    for path, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "run.nc", "does not exist; create it"),
        (Path("/proc/run.nc"), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=words):
            solve(configuration(), path)


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(decaying: Chosen, tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(flow_time: float) -> None:
        if flow_time > 1.0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    decaying.use(DecayingAtoms(0.05, on_step=fill))
    try:
        with pytest.raises(RunOutputError, match=r"run\.nc: cannot be written \(File too large\)"):
            solve(configuration(), tmp_path / "run.nc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert SolveResult.load(tmp_path / "run.nc").status == "running"
    assert [path.name for path in tmp_path.iterdir()] == ["run.nc"]


def test_damaged_and_foreign_files_are_refused(decaying: Chosen, tmp_path: Path) -> None:
    from scipy.io import netcdf_file

    decaying.use(DecayingAtoms(0.05))
    whole = tmp_path / "run.nc"
    solve(configuration(), whole)
    content = whole.read_bytes()
    for length in (0, 3, 40, 500, len(content) // 2, len(content) - 8):
        cut = tmp_path / "cut.nc"
        cut.write_bytes(content[:length])
        with pytest.raises(ResultFileError, match="not a NetCDF-3 file, or cut off"):
            SolveResult.load(cut)
        with pytest.raises(ResultFileError):
            solve(configuration(), cut, resume=True)
    with netcdf_file(tmp_path / "foreign.nc", "w", version=2) as file:
        file.createDimension("x", 2)
    with pytest.raises(ResultFileError, match="not a result of this program"):
        SolveResult.load(tmp_path / "foreign.nc")
    with pytest.raises(ResultFileError, match="no such file"):
        solve(configuration(), tmp_path / "missing.nc", resume=True)


def test_what_no_scheme_can_do_is_refused_in_one_message_each() -> None:
    tables = {
        "data": {"dims": [1001]},
        "network": {},
        "dynamics": {
            "flow": "wasserstein-fisher-rao",
            "fisher_rao_rate": 1.0,
            "inverse_temperature": 10.0,
            "ridge": 0.1,
        },
        "solver": {"scheme": "particles"},
    }
    with pytest.raises(ConfigurationError) as caught:
        solve(parse(tables))
    keys = [message.split(":")[0] for message in caught.value.messages]
    assert keys == ["data.dims", "dynamics.fisher_rao_rate"]


@pytest.mark.long
def test_features_resolve_large_coefficients() -> None:
    """a = 10 as a coordinate: errors of U carry a^2. With a folded into the unit features are those of a large unit."""
    tables = {
        "data": {"dims": [40], "scales": [[1.8, 0.2]]},
        "network": {"activation": {"knots": [-0.4, 0.5, 1.5], "values": [0.03, -0.15, 0.3]}},
        "time": {"end": 1e-3, "save": [0.0, 1e-3]},
        "solver": {"scheme": "characteristics"},
    }
    moving, folded = (solve(parse({**tables, "initial": {"a": a}})) for a in ({"normal": [10.0, 1e-9]}, 10.0))
    assert moving.risk[0] == pytest.approx(0.24207994, abs=1e-8)
    assert np.all(np.abs(moving.risk - folded.risk) < 3.0 * moving.risk_error)
    assert np.all(moving.risk_error < 1e-6)
