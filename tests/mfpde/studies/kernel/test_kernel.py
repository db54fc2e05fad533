"""The kernel limit against closed forms, reference values, the mean-field flow at its start, and its own refusals."""

from __future__ import annotations

import json
import math
import shutil
import signal
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import eval_gegenbauer, gammaln, roots_gegenbauer

import mfpde
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import with_overrides
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem import labels
from mfpde.problem.network import activation_of
from mfpde.problem.problem import build_problem
from mfpde.results.answers.kernel import KernelLimit, KernelMode, measured_slope
from mfpde.results.answers.solve import SolveResult
from mfpde.shell.files import write_json
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.tangent import TangentFlow, tangent_flow
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.studies.kernel import limit
from mfpde.studies.kernel.limit import kernel_modes
from mfpde.studies.stationary.words import Clock

REFERENCE = Path(__file__).parents[3] / "reference_teachers.json"
DIMENSION, KAPPA, HE2 = 200, 0.8, (0.0, 0.0, 1.0)


def entry(name: str) -> dict[str, Any]:
    """An entry of the reference."""
    return next(e for e in json.loads(REFERENCE.read_text("utf-8"))["entries"] if e["id"] == name)


@cache
def single_index(hermite: tuple[float, ...]) -> KernelLimit:
    """The limit of ReLU units on a single-index target in d = 200."""
    return mfpde.kernel(
        parse(
            {
                "data": {"law": "single-index", "dim": DIMENSION, "target": {"hermite": list(hermite)}},
                "network": {"activation": "relu", "coefficients": "trained", "centred": True},
                "initial": {"kappa": KAPPA},
                "time": {"end": 1000.0, "save": [0.0, 1.0, 100.0, 1000.0]},
            }
        )
    )


def eigenvalue(degree: int, part: str) -> float:
    """lambda_k of spherical harmonics of degree k, for a alone and for w alone (a = 1, no offset)."""
    index = 0.5 * DIMENSION - 1.0
    tau, weight = roots_gegenbauer(400, index)
    zonal = eval_gegenbauer(degree, index, tau) / eval_gegenbauer(degree, index, 1.0)
    arc = (math.pi - np.arccos(tau)) * tau
    kernel = KAPPA**2 * (np.sqrt(1.0 - tau**2) + arc) if part == "a" else DIMENSION * arc
    return float(weight @ (kernel * zonal) / weight.sum() / (2.0 * math.pi))


def length_moment(power: int) -> float:
    """E|x|^n of x ~ N(0, Id_d)."""
    return math.exp(0.5 * power * math.log(2.0) + gammaln(0.5 * (DIMENSION + power)) - gammaln(0.5 * DIMENSION))


@pytest.mark.long
def test_a_homogeneous_unit_learns_spherical_harmonics_times_the_length() -> None:
    """Eigenvalues of degree 0, 1, 2 and 4 by quadrature on the sphere; none of odd degree above 1."""
    modes = single_index(HE2).modes
    for name, part in (("w", "w"), ("a", "a")):
        exact = sorted((eigenvalue(degree, part) for degree in (0, 1, 2, 4)), reverse=True)
        np.testing.assert_allclose(modes[name].eigenvalues[:4], exact, rtol=1e-3, atol=1e-11)
        np.testing.assert_allclose(modes[name].eigenvalues[:2], exact[:2], rtol=1e-9)
    both = sorted((eigenvalue(degree, "a") + eigenvalue(degree, "w") for degree in (0, 1, 2)), reverse=True)
    np.testing.assert_allclose(modes["all"].eigenvalues[:3], both, rtol=1e-7)
    assert eigenvalue(1, "w") == pytest.approx(0.25, abs=1e-12)
    assert eigenvalue(1, "a") == pytest.approx(KAPPA**2 / (4.0 * DIMENSION), abs=1e-12)


@pytest.mark.long
def test_the_radial_part_of_he_2_is_never_learned() -> None:
    """R(t) = 1 - sum_k c_k^2 (1 - exp(-2 lambda_k t)) over k = 0, 2, within the estimate of its error."""
    d, found = DIMENSION, single_index(HE2)
    shares = {
        0: (length_moment(3) / d - length_moment(1)) ** 2 / (2.0 * d),
        2: length_moment(3) ** 2 * (d - 1) / (d**3 * (d + 2)),
    }
    never = 1.0 - sum(shares.values())
    for name, parts in (("w", "w"), ("a", "a"), ("all", "aw")):
        mode = found.modes[name]
        rates = {degree: sum(eigenvalue(degree, part) for part in parts) for degree in shares}
        exact = never + sum(share * np.exp(-2.0 * rates[k] * found.time) for k, share in shares.items())
        assert np.all(np.abs(mode.risk - exact) <= mode.risk_error)
        assert np.all(mode.risk_error < 1e-5)
        assert abs(mode.risk_infinity - never) <= mode.risk_infinity_error < 2e-5
        assert abs(mode.risk_infinity - never) < 1e-8


@pytest.mark.long
def test_reference_curves_and_what_they_hold() -> None:
    """The preset with a = 1 trained, which has the kernel of a = ±1; R_K falls, and as fast as R at the start."""
    curves = entry("F1")["curves"]
    settings = ["network.coefficients=trained", "network.centred=true", "time.end=10000"]
    found = mfpde.kernel("anisotropic-relu", overrides=[*settings, f"time.save={curves['w']['t']}"])
    for name in ("w", "a"):
        mode = found.modes[name]
        gaps = np.abs(mode.risk - curves[name]["R"])
        assert np.all(gaps <= mode.risk_error + curves[name]["error"])
        assert np.all(gaps < 1e-9)
    for mode in found.modes.values():
        assert np.all(np.diff(mode.risk) < 0.0)
        assert mode.risk[0] == pytest.approx(1.0, abs=1e-12)
        assert mode.risk_infinity_all <= mode.risk_infinity < mode.risk[-1]
    start = mfpde.solve(
        "anisotropic-relu", overrides=[*settings[:2], "time.end=1e-6"], scheme="characteristics", save=2
    )
    kernel = mfpde.kernel("anisotropic-relu", overrides=[*settings[:2], "time.end=1e-6", "time.save=2"]).modes["all"]
    slope = (kernel.risk[0] - kernel.risk[1]) / 1e-6
    assert start.dissipation[0] == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, r"network.centred: .*network.centred = true, or initial.a = \{ values = \[-1, 1\] \}"),
        ({"network": {"centred": True}, "dynamics": {"ridge": 0.1}}, "dynamics.ridge"),
        (
            {
                "network": {"centred": True},
                "dynamics": {"inverse_temperature": 5.0, "flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0},
            },
            "dynamics.(inverse_temperature|ridge)",
        ),
        ({"network": {"centred": True, "scale": 2.0}, "dynamics": {"ridge": 0.1}}, "network.scale = 2"),
        ({"network": {"scale": 0.0}}, "network.scale"),
        ({"data": {"law": "gaussian-bumps", "loss": "log-cosh"}}, 'the square loss, which that of "gaussian-bumps"'),
        ({"network": {"scale": -1.0, "centred": 1}}, "network.centred = 1: must be true or false"),
        ({"data": {"law": "gaussian-bumps"}}, "gaussian-bumps.* has no coefficients"),
    ],
)
def test_what_has_no_kernel_limit_is_refused(tables: dict[str, Any], words: str) -> None:
    whole = {"data": {"dims": [40]}, "network": {}, **tables}
    with pytest.raises(ConfigurationError, match=words):
        mfpde.kernel(parse(whole))


def test_a_slope_is_told_with_what_curves_it() -> None:
    """Gaps C / alpha (1 + 2 / alpha): the error covers the distance of the slope from 1."""
    scales = np.array([1.0, 10.0, 100.0])
    gaps = 0.3 / scales * (1.0 + 2.0 / scales)
    value, error = measured_slope(scales, gaps, np.zeros(3))
    assert abs(value - 1.0) <= error < 0.1
    assert measured_slope(scales, gaps, 0.1 * gaps)[1] > error + 0.05
    assert all(math.isnan(number) for number in measured_slope(scales, gaps, gaps))
    assert all(math.isnan(number) for number in measured_slope(scales[:1], gaps[:1], np.zeros(1)))


def test_the_command_writes_what_load_and_plot_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kernel.json"
    source = tmp_path / "source.toml"
    source.write_text("[data]\ndims = [200]\n[network]\ncentred = true\n[time]\nend = 10.0\nsave = 3\n", "utf-8")
    assert main(["kernel", str(source), "-o", str(file), "--json", "--plot", str(tmp_path / "figures")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"time", "modes", "notes"}
    assert list(told["modes"]) == ["w"]
    assert told["modes"]["w"]["eigenvalues"] == sorted(told["modes"]["w"]["eigenvalues"], reverse=True)
    loaded = mfpde.load(file)
    assert isinstance(loaded, KernelLimit)
    assert loaded.to_json() == told
    assert (tmp_path / "figures" / "kernel.png").exists()
    assert main(["plot", str(file), "-o", str(tmp_path / "again.png")]) == 0
    assert main(["kernel", str(source), "--set", "network.centred=false"]) == 2


INFINITE: dict[str, Any] = {
    "data": {"dims": "infinite", "fractions": [1.0]},
    "network": {"activation": "truncated-relu", "centred": True},
    "initial": {"kappa": 1.0},
    "time": {"end": 0.1, "save": 2},
}


@pytest.mark.long
def test_what_a_comparison_with_scales_has_computed_is_kept_and_gone_on_from(tmp_path: Path) -> None:
    """Interrupted, killed or failed in a run: the file holds what was there, and the rest comes out bit for bit."""
    problem, scales, place, killed = parse(INFINITE), (1.0, 3.0, 10.0), tmp_path / "k.json", tmp_path / "killed.json"
    whole = mfpde.kernel(problem, scales)

    def interrupt(text: str, fraction: float) -> None:
        if text.startswith("scale 3"):
            shutil.copy(place, killed)
            raise KeyboardInterrupt

    cut = mfpde.kernel(problem, scales, output=place, progress=interrupt)
    assert (cut.status, cut.scales) == ("interrupted", (1.0,))
    assert cut.message == "interrupted after 1 of 3 runs at finite scales; continue with --resume"
    told = mfpde.load(place).to_json()
    assert told == cut.to_json()
    assert told["status"] == "interrupted"
    # what was written before the run that a kill ends
    assert mfpde.load(killed).status == "running"
    for file in (place, killed):
        assert mfpde.kernel(problem, scales, output=file, resume=True).to_json() == whole.to_json()
    assert mfpde.kernel(problem, output=place, resume=True).to_json() == whole.to_json()
    assert mfpde.kernel(problem, [30.0], output=place, resume=True).scales == (*scales, 30.0)
    with pytest.raises(ConfigurationError, match=r"another problem, which differs in initial.kappa; resume with the"):
        mfpde.kernel(with_overrides(problem, ["initial.kappa=0.9"]), output=place, resume=True)
    content = json.loads(place.read_text("utf-8"))
    write_json(place, {**content, "risk": [[0.5, None]] * 4})
    with pytest.raises(ResultFileError, match="holds risks that are none"):
        mfpde.kernel(problem, output=place, resume=True)
    with pytest.raises(KeyboardInterrupt):
        mfpde.kernel(problem, output=tmp_path / "none.json", progress=lambda text, fraction: signal.raise_signal(2))
    assert not (tmp_path / "none.json").exists()


def test_a_run_at_a_scale_that_fails_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solve = mfpde.solve

    def fail(configuration: Experiment, **given: Any) -> SolveResult:
        if configuration.network.scale == 3.0:
            raise FloatingPointError("overflow")
        return solve(configuration, **given)

    monkeypatch.setattr("mfpde.studies.kernel.scales.solve", fail)
    source = tmp_path / "source.toml"
    source.write_text(to_toml(parse(INFINITE)), "utf-8")
    assert main(["kernel", str(source), "--scales", "1,3", "--json", "-o", str(tmp_path / "k.json")]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["scales"] == [1.0]
    assert "overflow" in told.err
    assert mfpde.load(tmp_path / "k.json").status == "failed"


@cache
def infinite(signs: bool) -> KernelLimit:
    """One neuron, or one of each sign, of the mixture at d = infinity, beside finite scales."""
    network = {"network": {"activation": "truncated-relu", "centred": not signs}}
    start = {"initial": {"kappa": 1.0, **({"a": {"values": [-1.0, 1.0]}} if signs else {})}}
    data = {"dims": "infinite", "fractions": [0.25, 0.75]}
    times = {"time": {"end": 1.0, "save": [0.0, 1.0]}, "solver": {"tolerance": 1e-7}}
    return mfpde.kernel(parse({"data": data, **network, **start, **times}), (3.0, 10.0, 30.0))


@pytest.mark.long
def test_the_kernel_of_one_neuron_is_a_matrix_of_two_rows() -> None:
    """A = J J^T / 2 with J the derivatives of q(tau_±) by the two radii, at d = infinity."""
    unit, start, step = activation_of("truncated-relu"), np.array([0.5, math.sqrt(0.75)]), 1e-6

    def mean(radii: Array, scale: float) -> float:
        tau = np.array([math.hypot(scale * radii[0], radii[1])])
        return float(unit.mean(tau, np.zeros(1)).value[0])

    moves = step * np.eye(2)
    jacobian = np.array(
        [[(mean(start + move, s) - mean(start - move, s)) / (2.0 * step) for move in moves] for s in (1.8, 0.2)]
    )
    exact = np.linalg.eigvalsh(0.5 * jacobian @ jacobian.T)[::-1]
    for signs in (False, True):
        np.testing.assert_allclose(infinite(signs).modes["w"].eigenvalues[:2], exact, rtol=1e-8)


@pytest.mark.long
@pytest.mark.parametrize(("signs", "power"), [(False, 1.0), (True, 2.0)], ids=["subtracted", "signs"])
def test_finite_scales_come_to_the_limit(signs: bool, power: float) -> None:
    """Like 1/alpha where f_0 is subtracted, like 1/alpha^2 where the signs of a cancel it."""
    found = infinite(signs)
    assert found.slope is not None
    value, error = found.slope
    assert abs(value - power) <= error < 0.2
    assert "alpha = 30" in found.table()
    assert set(found.to_json()) == {"time", "modes", "scales", "risk", "risk_error", "slope", "notes"}
    assert KernelLimit.from_json(found.to_json()).to_json() == found.to_json()


@pytest.mark.long
def test_a_run_at_a_scale_agrees_with_the_reference() -> None:
    """alpha = 10, f_0 subtracted, within the estimate of its error."""
    told = entry("F-alpha")
    settings = ["network.scale=10", "network.centred=true", f"time.save={[0.0, *told['t']]}"]
    found = mfpde.solve("anisotropic-relu", overrides=settings, scheme="characteristics")
    gaps = np.abs(found.risk[1:] - told["R"]["subtract,10.0"])
    assert np.all(gaps <= found.risk_error[1:] + 1e-9)
    assert np.all(gaps < 1e-6)
    assert found.risk[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.long
def test_a_comparison_holds_the_limit_at_its_times(tmp_path: Path) -> None:
    experiment = parse(
        {
            "data": {"dims": [40]},
            "network": {"activation": "erf", "centred": True, "scale": 5.0},
            "time": {"end": 1.0, "save": [0.0, 0.3, 1.0]},
            "sgd": {"neurons": 20, "step_size": 0.01},
        }
    )
    found = mfpde.compare(experiment, tmp_path / "run.nc", coupled=False, kernel=True)
    limit = mfpde.kernel(experiment)
    assert found.to_json()["risk_kernel"] == pytest.approx(limit.trained.risk.tolist(), rel=1e-13)
    assert found.sgd.risk[0, 0] == pytest.approx(1.0, abs=1e-12)
    loaded = mfpde.load(tmp_path / "run.nc")
    assert loaded.to_json()["risk_kernel"] == found.to_json()["risk_kernel"]
    assert "kernel limit: R_K" in loaded.table()
    loaded.plot(tmp_path / "run.png")


def test_a_kernel_is_decomposed_from_its_smaller_side() -> None:
    """Two rows of three features, and the same with rows of zeros: what is off the rows is never learned."""
    rows = np.sqrt([[0.5, 0.0, 0.0], [0.0, 0.2, 0.0]])
    loss = SquareLoss(np.ones(3), np.sqrt([1.0, 0.5, 0.3]), 0.1)
    for factor in (rows, np.vstack([rows, np.zeros((3, 3))])):
        found = tangent_flow(loss, np.zeros(3), factor)
        times = np.array([0.0, 1.0, 50.0])
        exact = 0.1 + np.exp(-times) + 0.5 * np.exp(-0.4 * times) + 0.3
        np.testing.assert_allclose(found.risk(times), exact, rtol=1e-12)
        assert found.last == pytest.approx(0.4, abs=1e-12)


def test_rates_are_told_on_the_clock_of_the_schedule() -> None:
    """A run at a scale rests where -dF/dt, here D per unit of ∫xi, is small, not the slowed D."""
    assert Clock(True, 4.0).exponential(8.0) == "exp(2 t)"
    tables = {"data": {"dims": "infinite", "fractions": [0.25, 0.75]}, "network": {"scale": 5.0, "centred": True}}
    rest = {"end": 1000.0, "save": 2, "until": "stationary", "stationary_tolerance": 1e-3}
    found = mfpde.solve(parse({**tables, "time": rest, "solver": {"tolerance": 1e-5}}))
    assert found.time[-1] < 1000.0
    assert 2e-4 < found.dissipation[-1] <= 1e-3
    assert "within time.stationary_tolerance" in found.message


@pytest.mark.parametrize("few", [20, 40, 80])
def test_what_a_limit_on_atoms_leaves_of_a_kernel_enters_its_errors(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units with kinks on a few panels, whose companion has as few: R_K off by up to .018 at t = 1."""
    problem, times = build_problem(parse(bent({"values": [-1.0, 1.0]}))), np.array([0.0, 0.1, 1.0])
    fine = kernel_modes(problem, times)
    monkeypatch.setattr(limit, "MOST_ENTRIES", 0)
    monkeypatch.setattr(limit, "LEAST_ATOMS", few)
    monkeypatch.setattr(limit, "_mode", partial(_alone, limit._mode))
    for name, coarse in kernel_modes(problem, times).items():
        off = np.abs(coarse.risk - fine[name].risk)
        assert (off <= coarse.risk_error).all()
        assert off[-1] > 1e-9


def bent(a: float | dict[str, list[float]], centred: bool = False) -> dict[str, dict[str, Any]]:
    """Units with kinks, of any steepness."""
    activation = {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}
    return {
        "data": {"dims": [40]},
        "network": {"coefficients": "trained", "activation": activation, "centred": centred},
        "initial": {"a": a, "radius": {"uniform": [0.0, 6.0]}},
    }


@pytest.mark.parametrize("few", [10, 20, 40])
def test_what_a_limit_on_atoms_leaves_of_f_0_enters_the_error_of_the_risk(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is subtracted is subtracted in the run and its companion alike."""
    problem, box = build_problem(parse(bent(1.0, centred=True))), Box(np.zeros(2), np.array([6.0, 2.0]))
    law = Atoms(np.array([[1.0, 1.0], [3.0, -0.5]]), np.array([0.5, 0.5]))
    fine = problem.represent("exact", box, 1e-10)
    monkeypatch.setattr(labels, "starting_atoms", partial(labels.starting_atoms, most=few))
    coarse = problem.represent("exact", box, 1e-10)
    first, second = (made.objective.risk(law.outputs(made.objective.features)) for made in (coarse, fine))
    assert 1e-7 < abs(first - second) < coarse.risk_error([law]) < 100.0 * abs(first - second)
    assert fine.risk_error([law]) < 1e-8


def _alone(mode: Callable[..., KernelMode], flow: TangentFlow, other: TangentFlow, *rest: Any) -> KernelMode:
    """A curve whose companion errs alike: only what is left tells its error."""
    del other
    return mode(flow, flow, *rest)
