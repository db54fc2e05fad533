"""Data sets: trajectories against independent values, the symmetries of samples, files and what is wrong with them."""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem.laws.dataset import DataSet
from mfpde.problem.laws.finite_data import DRAWN, Drawn
from mfpde.problem.problem import build_problem
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd.samplers import sampler_of
from mfpde.solvers.space.measure import Atoms

REFERENCE = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[3] / "reference_datasets.json").read_text("utf-8"))["entries"]
}
X = [-2.0, -1.5, -1.0, -0.4, 0.3, 0.9, 1.4, 2.0]
Y = [0.5, -0.3, -0.8, -0.2, 0.6, 0.9, 0.1, -0.5]
NETWORK = {"activation": "tanh", "coefficients": "trained", "offsets": "trained"}
START = {
    "w1": {"values": [-2.0, -1.0, 0.5, 1.0, 2.0]},
    "a": {"values": [-1.0, 1.0]},
    "b": {"values": [-1.0, -0.5, 0.0, 0.5, 1.0]},
}


def tables(data: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"law": "dataset", **data}, "network": NETWORK, "initial": START, **others}


def line(loss: str = "square", **others: dict[str, Any]) -> dict[str, Any]:
    targets = np.sign(Y).tolist() if loss == "logistic" else Y
    return tables({"points": [[x] for x in X], "values": targets, "loss": loss}, **others)


def solved(declared: dict[str, Any], **options: Any) -> SolveResult:
    return mfpde.solve(parse(declared), **{"scheme": "characteristics", "tolerance": 1e-9, **options})


def data_set(made: Experiment) -> DataSet:
    assert isinstance(made.data, DataSet)
    return made.data


def messages(declared: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(declared)
    return list(caught.value.messages)


@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_trajectories_are_the_independent_ones(loss: str) -> None:
    """An error of 1e-9 in a single velocity of the 50 neurons shows; to t = 500, where the square loss is 9e-8."""
    expected = REFERENCE[f"A.tanh1d.{loss}"]["values"]
    found = solved(line(loss, time={"end": 500.0, "save": expected["t"]}), tolerance=1e-10)
    assert np.abs(found.risk - expected["R"]).max() < 1e-11
    seconds = (found.variance + found.mean**2).sum(axis=1)
    assert np.abs(seconds / expected["second_moment"] - 1.0).max() < 1e-11
    assert np.abs(found.predict(np.array(X)[:, None]) - expected["f_final"]).max() < 1e-9


def test_a_file_is_what_it_says_in_either_format(tmp_path: Path) -> None:
    x, y = np.array(X), np.array(Y)
    omega = np.linspace(1.0, 2.0, len(x))
    np.savez(tmp_path / "x.npz", x=x[:, None], y=y, weight=omega)
    rows = "\n".join(f"{float(w)!r},{float(b)!r},{float(a)!r}" for a, b, w in zip(x, y, omega, strict=True))
    (tmp_path / "x.csv").write_text(f"weight,y,x1\n{rows}\n", "utf-8")
    inline = {"points": [[a] for a in X], "values": Y, "weights": omega.tolist()}
    law = data_set(parse(tables(inline)))
    for name in ("x.npz", "x.csv"):
        toml = f'[data]\nlaw = "dataset"\nfile = "{name}"\n[network]\nactivation = "tanh"\n'
        (tmp_path / "run.toml").write_text(toml, "utf-8")
        read = data_set(load_configuration(str(tmp_path / "run.toml")))
        for one, other in zip(read.training, law.training, strict=True):
            assert np.array_equal(one, other)


def test_another_file_of_the_same_name_is_another_configuration(tmp_path: Path) -> None:
    data, run = tmp_path / "x.csv", tmp_path / "run.nc"
    data.write_text("x1,y\n0.0,1.0\n1.0,-1.0\n", "utf-8")
    declared: dict[str, Any] = {"data": {"law": "dataset", "file": str(data)}, "network": {"activation": "tanh"}}
    declared["time"] = {"end": 0.1, "save": 2}
    mfpde.solve(parse(declared), output=run)
    assert mfpde.solve(parse(declared), output=run, resume=True).status == "success"
    data.write_text("x1,y\n0.0,1.0\n1.0,-2.0\n", "utf-8")
    with pytest.raises(ResultFileError, match=r"data\.file: .* has changed since"):
        mfpde.solve(parse(declared), output=run, resume=True)


def test_many_coordinates_are_for_particles(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    np.savez(tmp_path / "x.npz", x=random.standard_normal((30, 12)), y=random.standard_normal(30))
    declared = tables({"file": str(tmp_path / "x.npz")}, time={"end": 0.1, "save": 2})
    declared["initial"] = {"kappa": 1.0}
    made = parse(declared)
    assert made.solver.scheme == "particles"
    for scheme, words in (("finite-volume", "at most 3"), ("characteristics", "12 labels"), ("jko", "at most 4")):
        with pytest.raises(ConfigurationError, match=words):
            mfpde.solve(made, scheme=scheme)
    found = mfpde.solve(made, atoms=20)
    assert np.diff(found.risk)[0] < 0.0


@pytest.mark.parametrize("loss", ["square", "logistic", "log-cosh"])
def test_duplicates_of_halved_weight_and_order_change_nothing(loss: str) -> None:
    """To rounding: a weight that enters twice, or a mean over rows in the place of weights, shows at once."""
    plain = line(loss, time={"end": 2.0, "save": 3})
    order = [5, 2, 7, 0, 3, 6, 1, 4, 2, 5]
    counts = np.bincount(order)
    data = dict(plain["data"])
    for name in ("points", "values"):
        data[name] = [plain["data"][name][place] for place in order]
    data["weights"] = [1.0 / counts[place] for place in order]
    one, other = (solved(declared) for declared in (plain, {**plain, "data": data}))
    assert np.abs(one.risk - other.risk).max() < 1e-13


def test_the_logistic_risk_knows_no_sign_of_the_classes() -> None:
    plain = line("logistic", time={"end": 2.0, "save": 3})
    turned = {**plain, "data": {**plain["data"], "values": [-y for y in plain["data"]["values"]]}}
    one, other = solved(plain), solved(turned)
    assert np.abs(one.risk - other.risk).max() < 1e-13
    a = one.names.index("a")
    assert np.abs(one.variance[:, a] - other.variance[:, a]).max() < 1e-12


@pytest.mark.parametrize("activation", ["tanh", "erf", "relu"])
@pytest.mark.parametrize("loss", ["square", "logistic", "log-cosh"])
def test_psi_is_the_derivative_of_half_the_energy(loss: str, activation: str) -> None:
    """Along a change of mass, and of places: central differences, whose error is 1e-9 here."""
    declared = line(loss) | {"network": {**NETWORK, "activation": activation}}
    problem = build_problem(parse(declared))
    random = np.random.default_rng(3)
    points, weights = random.standard_normal((6, 3)), random.dirichlet(np.ones(6))
    objective = problem.objective_about(points)

    def half(places: Array, masses: Array) -> float:
        return 0.5 * objective.energy(objective.outputs(places, masses))

    law, step = Atoms(points, weights), 1e-6
    psi, slopes = problem.psi(points, law), problem.psi_gradient(points, law)
    for atom in range(6):
        change = step * np.eye(6)[atom]
        assert (half(points, weights + change) - half(points, weights - change)) / (2 * step) == pytest.approx(
            psi[atom], abs=1e-9
        )
        for axis in range(3):
            move = np.zeros_like(points)
            move[atom, axis] = step
            rise = (half(points + move, weights) - half(points - move, weights)) / (2 * step)
            assert rise == pytest.approx(weights[atom] * slopes[atom, axis], abs=1e-9)


def test_nothing_overflows_where_every_output_is_ten_thousand() -> None:
    """exp(y f) overflows from 709 on; the mean loss there is the mean of (-y f)_+."""
    problem = build_problem(parse(line("logistic")))
    law = Atoms(np.array([[40.0, 1e4, 0.0]]), np.ones(1))
    f = np.where(np.array(X) > 0.0, 1e4, -1e4)
    expected = np.maximum(-np.sign(Y) * f, 0.0).mean()
    assert problem.risk(law) == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(problem.psi(law.points, law)).all()


def test_cells_agree_with_atoms_under_the_logistic_loss_with_noise_and_without() -> None:
    """Within the errors that they state; with noise the Gibbs law lies below every law on the way."""
    declared = line("logistic", time={"end": 2.0, "save": 2})
    declared |= {"initial": {"kappa": 1.0}, "network": {"activation": "tanh"}}
    cells, atoms = solved(declared, scheme="finite-volume", tolerance=1e-6, cells=256), solved(declared)
    assert np.all(np.abs(cells.risk - atoms.risk) <= 3.0 * (cells.risk_error + atoms.risk_error))
    assert cells.risk_error.max() < 1e-4
    noisy = parse({**declared, "dynamics": {"ridge": 0.1, "inverse_temperature": 20.0}})
    diffused = mfpde.solve(noisy, scheme="finite-volume", cells=128)
    assert mfpde.optimum(noisy).free_energy < diffused.free_energy[1] < diffused.free_energy[0]


@pytest.mark.parametrize("scheme", ["jko", "particles"])
def test_schemes_agree_under_the_logistic_loss(scheme: str) -> None:
    """Atoms as particles are the same as by characteristics; minimising movements within their tolerance."""
    declared = line("logistic", time={"end": 1.0, "save": 2})
    declared["initial"] = {"w1": 1.0, "a": 0.5, "b": 0.3}
    reference = solved(declared).risk
    found = solved(declared, scheme=scheme, tolerance=1e-6, atoms=8 if scheme == "particles" else None)
    assert np.abs(found.risk - reference).max() < 1e-5
    assert found.risk_name == "training mean of the logistic loss"
    assert found.free_energy == pytest.approx(2.0 * found.risk, rel=1e-12)


def test_the_optimum_is_certified_under_any_convex_loss() -> None:
    """The bounds of derivatives are proven, so the gap is one of the optimum itself."""
    declared = line("logistic", dynamics={"ridge": 0.01}) | {"initial": {}}
    found = mfpde.optimum(parse(declared))
    assert isinstance(found, AtomicOptimum)
    assert found.certified
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-10 * found.free_energy
    assert found.free_energy == pytest.approx(0.943554317875, rel=1e-10)


def test_a_separable_set_has_a_direction_in_place_of_an_optimum() -> None:
    """The margin is one that the atoms have, no larger than the maximal one, known to 1e-11, and at most 1e-5 less."""
    entry = REFERENCE["D1.F1"]
    data = {"points": entry["problem"]["x"], "values": entry["problem"]["y"], "loss": "logistic"}
    declared = {"data": {"law": "dataset", **data}, "network": {**NETWORK, "activation": "relu"}}
    made = parse(declared)
    found = mfpde.optimum(made)
    assert isinstance(found, AtomicOptimum)
    told = found.to_json()
    assert (told["attained"], told["risk"], told["atoms"]) == (False, 0.0, [])
    assert (1.0 - 1e-5) * entry["values"]["gamma1_lower"] < told["margin"] <= entry["values"]["gamma1_upper"]
    atoms = Atoms(found.positions, found.weights)
    outputs = build_problem(made).objective_about(atoms.points).outputs(atoms.points, atoms.weights)
    assert (np.array(data["values"]) * outputs).min() == pytest.approx(told["margin"], rel=1e-12)
    units = np.delete(found.positions, found.names.index("a"), axis=1)
    assert np.abs((units**2).sum(axis=1) - 1.0).max() < 1e-12
    ridged = parse({**declared, "dynamics": {"ridge": 1.0}})
    assert "attained" not in mfpde.optimum(ridged).to_json()


def test_what_is_not_trained_on_is_told_apart_and_predicted(tmp_path: Path) -> None:
    """Risks and accuracies by hand from the outputs of the recorded law, in the answer, its JSON, its file and after
    a resumption."""
    x, y = np.array([-1.8, -1.2, 0.5, 1.9]), np.array([1.0, -1.0, 1.0, -1.0])
    omega = np.array([0.1, 0.2, 0.3, 0.4])
    np.savez(tmp_path / "test.npz", x=x[:, None], y=y, weight=3.0 * omega)
    declared = line("logistic", time={"end": 1.0, "save": [0.0, 0.5, 1.0]})
    declared["data"] |= {"test": str(tmp_path / "test.npz"), "standardise": True}
    whole = solved(declared, output=tmp_path / "whole.nc")
    told = whole.to_json()
    mean, deviation = np.mean(X), np.std(X)
    for row in range(3):
        law = whole.law_at(row)
        w, a, b = law.points.T

        def f(places: Array, w: Array = w, a: Array = a, b: Array = b, weights: Array = law.weights) -> Array:
            return np.asarray(np.tanh(np.outer((places - mean) / deviation, w) + b) @ (weights * a))

        assert told["test_risk"][row] == pytest.approx(omega @ np.logaddexp(0.0, -y * f(x)), rel=1e-12)
        assert told["risk"][row] == pytest.approx(np.logaddexp(0.0, -np.sign(Y) * f(np.array(X))).mean(), rel=1e-12)
    assert np.abs(whole.predict(x[:, None]) - f(x)).max() < 1e-13
    assert told["test_accuracy"][2] == pytest.approx(omega @ (y * f(x) > 0.0))
    assert told["accuracy"][2] == pytest.approx(np.mean(np.sign(Y) * f(np.array(X)) > 0.0))
    assert told["accuracy"][0] == 0.5  # all outputs of a symmetric start are rounding
    longer = {**declared, "time": {"end": 2.0, "save": [0.0, 0.5, 1.0, 2.0]}}
    resumed = solved(longer, output=tmp_path / "whole.nc", resume=True)
    assert SolveResult.load(tmp_path / "whole.nc").to_json() == resumed.to_json()
    assert len(resumed.watched["test_risk"]) == 4
    found = mfpde.predict(tmp_path / "whole.nc", tmp_path / "test.npz", time=2.0)
    assert found.risk == pytest.approx(resumed.watched["test_risk"][-1], rel=1e-12)
    assert found.accuracy == pytest.approx(resumed.watched["test_accuracy"][-1], rel=1e-12)


@pytest.mark.parametrize("sampling", ["replacement", "epoch", "full"])
def test_sgd_on_data_goes_on_bit_for_bit(sampling: str, tmp_path: Path) -> None:
    """From the middle of an epoch too; training risk, test risk and accuracy are told apart."""
    np.savez(tmp_path / "test.npz", x=[[0.1], [-0.7]], y=[1.0, -1.0])
    batch: dict[str, Any] = {} if sampling == "full" else {"batch": {"steps": [0, 33], "sizes": [1, 3]}}
    declared = line("logistic", time={"end": 0.5, "save": [0.0, 0.25, 0.5]})
    declared["data"]["test"] = str(tmp_path / "test.npz")
    declared["sgd"] = {"neurons": 5, "step_size": 0.01, "sampling": sampling, **batch}
    whole = mfpde.sgd(parse({**declared, "time": {"end": 1.0, "save": [0.0, 0.25, 0.5, 1.0]}}), workers=1)
    run = tmp_path / "run.nc"
    mfpde.sgd(parse(declared), output=run, workers=1)
    longer = parse({**declared, "time": {"end": 1.0, "save": [0.0, 0.25, 0.5, 1.0]}})
    found = mfpde.sgd(longer, output=run, resume=True, workers=1)
    assert np.array_equal(found.risk, whole.risk)
    assert np.array_equal(found.position, whole.position)
    w, a, b = whole.position[0, -1].T
    outputs = {
        place: np.tanh(np.outer(np.array(x), w) + b) @ a / 5 for place, x in (("train", X), ("test", [0.1, -0.7]))
    }
    assert whole.risk[0, -1] == pytest.approx(np.logaddexp(0.0, -np.sign(Y) * outputs["train"]).mean(), rel=1e-12)
    test = np.logaddexp(0.0, -np.array([1.0, -1.0]) * outputs["test"]).mean()
    assert whole.watched["test_risk"][0, -1] == pytest.approx(test, rel=1e-12)
    assert np.array_equal(found.watched["accuracy"], whole.watched["accuracy"])


def test_fresh_samples_have_no_epochs() -> None:
    declared = {"data": {"dims": [5]}, "network": {}, "sgd": {"sampling": "epoch"}}
    with pytest.raises(ConfigurationError, match=r'sgd\.sampling: .* no "epoch"; write sampling = "replacement"'):
        mfpde.sgd(parse(declared))


def test_the_equation_is_compared_with_sgd_on_the_training_risk() -> None:
    """Gradient descent of the coupled dynamics is the full batch: their neurons are the same to the error of Euler's
    extrapolation, and the gap of the risks of SGD is what is told."""
    declared = line(time={"end": 0.2, "save": 3}, sgd={"neurons": 50, "step_size": 0.002, "sampling": "full"})
    found = mfpde.compare(parse(declared), workers=1)
    told = found.to_json()
    assert np.abs(np.array(told["gaps"]["gd_sgd"])).max() < 1e-12
    assert found.pde.risk_name == "training mean of (y - f)^2"
    assert np.isfinite(found.fluctuation).all()


def mistakes(folder: Path, text: str | None, **data: Any) -> list[str]:
    """What is said of a file of this text."""
    place = folder / "x.csv"
    if text is not None:
        place.write_text(text, "utf-8")
    return messages({"data": {"law": "dataset", "file": str(place), **data}, "network": {"activation": "tanh"}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("x1,y\n1.0,2.0\n", "one sample only; write two or more"),
        ("x1,x1,y\n1,2,3\n2,3,4\n", 'the column "x1" is there twice'),
        ("x1,x3,y\n1,2,3\n2,3,4\n", "the header is x1, x3, y; write x1, ..., xd, y and optionally weight"),
        ("x1,y\n1,\n2,3\n", 'row 1, y: "" is not a number'),
        ("x1,y\n1,2\n2,nan\n", 'row 2, y: "nan" is not a number'),
        ("x1,y\n1,2,3\n2,3\n", "row 1 has 3 cells for 2 columns"),
        ("x1,x2,y\n1,5,2\n2,5,3\n", 'x2 constant in all samples; write the samples without it; offsets = "trained"'),
        ("x1,y,weight\n1,2,0\n2,3,1\n", "weight: 1 are not above 0; leave those rows out"),
    ],
)
def test_a_file_that_is_no_data_set_is_told_so(text: str | None, words: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, text)
    assert any(message.startswith("data.file") and words in message for message in found), found


def test_labels_and_test_sets_must_fit_and_all_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("x1,x2,y\n1,2,1\n2,3,-1\n", "utf-8")
    found = mistakes(tmp_path, "x1,x2,x3,y\n1,2,1,0.5\n2,3,1,1\n", loss="logistic", test=str(tmp_path / "test.csv"))
    assert len(found) == 3, found
    words = ("x3 constant", "needs targets +1 or -1", "x has 2 coordinates, those of the training set 3")
    for each, message in zip(words, found, strict=True):
        assert each in message
    both = messages(tables({"file": str(tmp_path / "test.csv"), "points": [[1.0]], "values": [1.0]}))
    assert sum("given together with data.file" in message for message in both) == 2
    uneven = messages(tables({"points": [[1.0], [2.0], [3.0]], "values": [1.0, 2.0]}))
    assert "3 rows of x and 2 of y; write as many of each" in uneven[0]
    assert "rows of 1 and of 2 numbers" in messages(tables({"points": [[1.0], [2.0, 3.0]], "values": [1.0, 2.0]}))[0]
    assert "missing, and there is no file" in messages(tables({}))[0]


def test_arrays_are_held_to_the_same_before_they_are_read(tmp_path: Path) -> None:
    """An array too large is told from its header: the file itself holds next to nothing."""
    place = str(tmp_path / "x.npz")
    good = {"x": np.array([[1.0], [2.0]]), "y": np.array([1.0, -1.0])}

    def said(**arrays: Any) -> str:
        np.savez(place, **arrays)
        return messages(tables({"file": place}))[0]

    assert "x of shape (2,)" in said(x=good["x"][:, 0], y=good["y"])
    assert "2 rows of x and 3 of y" in said(x=good["x"], y=np.ones(3))
    assert "1 missing values or numbers beyond 1e+06 in x" in said(x=np.array([[np.nan], [2.0]]), y=good["y"])
    assert "lacks y" in said(x=good["x"])
    assert "unknown z" in said(**good, z=np.ones(2))
    assert "x holds pickled objects" in said(x=np.array([[1.0], ["a"]], dtype=object), y=good["y"])
    huge = io.BytesIO()
    np.lib.format.write_array_header_2_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)})
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("x.npy", huge.getvalue())
        archive.writestr("y.npy", huge.getvalue())
    assert "GiB of memory" in messages(tables({"file": place}))[0]
    Path(place).write_bytes(b"no archive")
    assert "is no NPZ file of numbers" in messages(tables({"file": place}))[0]


LAWS_DRAWN: dict[str, dict[str, Any]] = {
    "gaussian-mixture": {"dims": [2, 2]},
    "single-index": {"dim": 3, "target": "erf", "noise": 0.5},
    "multi-index": {"dim": 3, "target": "erf"},
    "teacher-network": {},
}


@pytest.mark.parametrize("law", LAWS_DRAWN)
def test_draws_of_a_law_are_trained_on_in_its_place(law: str) -> None:
    """The training risk by hand from the very draws; test_risk is the law's own: exact, and close to the mean over
    100,000 fresh draws (within 5 standard errors, seen beyond with probability 6e-7)."""
    data = {"law": law, **LAWS_DRAWN[law], "samples": 40, "sample_seed": 3}
    network = {"activation": "relu", "coefficients": "trained"}
    declared = {"data": data, "network": network, "initial": {"kappa": 1.0, "a": 0.7}, "time": {"end": 0.5, "save": 2}}
    made = parse(declared)
    found = mfpde.solve(made, scheme="particles", atoms=30)
    problem = build_problem(made)
    drawn = made.law
    assert isinstance(drawn, Drawn)
    sampler = sampler_of(drawn.inner.sampler())
    assert sampler is not None
    x, y = sampler.samples(0, 40, 3, DRAWN)
    points = found.law_at(1).points
    w, a = points[:, :-1], points[:, -1]

    def f(places: Array) -> Array:
        return np.asarray(np.maximum(places @ w.T, 0.0) @ a / len(a))

    assert found.risk[1] == pytest.approx(np.mean((y - f(x)) ** 2), rel=1e-12)
    assert found.names == (*(f"w{place + 1}" for place in range(x.shape[1])), "a")
    x, y = sampler.samples(0, 100_000, 5, 1)
    errors = (y - f(x)) ** 2
    test = found.watched["test_risk"][1]
    assert abs(errors.mean() - test) < 5.0 * errors.std() / np.sqrt(len(errors))
    assert abs(problem.predict(found.law_at(1), x[:3]) - f(x[:3])).max() < 1e-14
    assert parse(tomllib.loads(to_toml(made))) == made


def test_draws_need_a_finite_dimension_and_coordinates_that_they_know() -> None:
    infinite = {"data": {"law": "single-index", "dim": "infinite", "samples": 9}, "network": {}}
    assert any("data.samples: data.dim: SGD needs a finite dimension" in each for each in messages(infinite))
    radius = {"data": {"dims": [3], "samples": 9}, "network": {}, "initial": {"radius": 1.0}}
    assert any(each.startswith("initial.radius: draws have no symmetry") for each in messages(radius))


def test_a_loss_that_falls_for_ever_never_rests_but_one_with_a_ridge_does() -> None:
    """D ~ L^2 M on the way to no minimiser: a small D alone says nothing there."""
    until = {"end": 3000.0, "save": 2, "until": "stationary", "stationary_tolerance": 1e-4}
    falling = mfpde.solve(parse(line("logistic", time=until)), tolerance=1e-5)
    assert falling.dissipation[-1] < 1e-4
    assert falling.time[-1] == 3000.0
    assert "not stationary" in falling.message
    resting = mfpde.solve(parse(line("logistic", time=until, dynamics={"ridge": 0.1})), tolerance=1e-5)
    assert resting.time[-1] < 3000.0
    assert "stationary at t" in resting.message


def test_comparisons_under_another_loss_leave_out_what_the_square_one_tells() -> None:
    """Fluctuations come from E (y - f)^2; the coupled dynamics and the gap are those of the mean loss."""
    declared = line(
        "logistic", time={"end": 0.1, "save": 2}, sgd={"neurons": 20, "step_size": 0.005, "sampling": "full"}
    )
    found = mfpde.compare(parse(declared), workers=1)
    told = found.to_json()
    assert np.isnan(found.fluctuation).all()
    assert np.abs(np.array(told["gaps"]["gd_sgd"])).max() < 1e-12
    assert told["risk_pde"][0] == pytest.approx(np.log(2.0), rel=1e-12)
