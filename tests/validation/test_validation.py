"""The validation package: its table and verdict, its own mathematics, and the quick subset of its rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from validation import figures
from validation.__main__ import main, selected
from validation.checks import load_all
from validation.expected.quadrature import SingleAtom, initial_risk, piecewise_linear_mean, two_class_scales
from validation.expected.reference import reference, trajectories
from validation.rows import CHARACTERISTICS, CHECKS, FINITE_VOLUME, Check, Row, allowance, worst
from validation.table import line, summary
from validation.workbench import Workbench, at, configured

load_all()
QUICK = [(check, scheme) for check, schemes in selected("", None, quick=True) for scheme in schemes]


@pytest.mark.long
@pytest.mark.parametrize(("check", "scheme"), QUICK, ids=[f"{check.name}-{scheme}" for check, scheme in QUICK])
def test_quick_rows_hold(check: Check, scheme: str) -> None:
    rows = list(check.rows(Workbench(), scheme))
    assert rows
    assert [line(row) for row in rows if not row.holds] == []


@pytest.mark.long
def test_every_reference_value_has_its_check() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert {case.name for case in trajectories()} <= set(names)
    assert sum(len(case.rows) for case in trajectories()) == 83
    (kernels,) = (check for check in CHECKS if check.name == "kernels")
    rows = list(kernels.rows(Workbench(), "reduction"))
    assert len(rows) == 3 * len(reference()["kernel_points"]) == 48
    offenders = [row.quantity for row in rows if not row.allowed <= 1.001e-8]
    assert offenders == []


@pytest.mark.parametrize(
    ("computed", "verdict"), [(1.5, "holds"), (1.5 + 1e-9, "FAILS"), (0.4, "FAILS"), (math.nan, "FAILS")]
)
def test_verdict(computed: float, verdict: str) -> None:
    row = Row("q", CHARACTERISTICS, 1.0, computed, 0.1, 0.5)
    assert row.verdict == verdict
    assert row.holds == (verdict == "holds")
    assert (row.severity > 1.0) == (verdict == "FAILS")
    assert line(row).endswith(verdict)


def test_a_shown_number_has_no_promise_but_a_nan_fails() -> None:
    assert Row("q", FINITE_VOLUME, 1.0, 7.0, 0.0, math.inf).verdict == "shown"
    assert Row("q", FINITE_VOLUME, 1.0, math.nan, 0.0, math.inf).verdict == "FAILS"


def test_the_worst_row_is_the_one_nearest_to_failing() -> None:
    rows = [Row(str(index), "s", 0.0, error, 0.0, 1.0) for index, error in enumerate((0.1, 0.8, math.nan, 0.3))]
    assert worst(rows).quantity == "2"
    assert worst([rows[0], rows[1], rows[3]]).quantity == "1"


def test_allowances_are_the_promised_ones() -> None:
    assert allowance(CHARACTERISTICS, 5.0, 1e-7) == 1e-6
    assert allowance(CHARACTERISTICS, 5.0, 2e-6) == pytest.approx(6e-6, rel=1e-12)
    assert allowance(FINITE_VOLUME, -5.0) == pytest.approx(5e-3, rel=1e-12)


@pytest.fixture
def fake_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that hold, fail and break, in place of the real ones."""

    def rows_of(computed: float) -> Check:
        def rows(bench: Workbench, scheme: str) -> Iterator[Row]:
            yield Row(f"fake {computed:g}", scheme, 1.0, computed, 0.0, 0.1)
            if computed == 2.5:
                raise ArithmeticError("lost")

        return Check(f"fake-{computed:g}", (CHARACTERISTICS, FINITE_VOLUME), rows)

    monkeypatch.setattr("validation.__main__.CHECKS", [rows_of(value) for value in (1.05, 1.2, 2.5)])


@pytest.mark.usefixtures("fake_checks")
def test_exit_code_is_the_verdict_and_the_page_has_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--only", "1.05"]) == 0
    assert "2 rows, 2 hold, 0 fail" in capsys.readouterr().out
    page = (tmp_path / "out" / "validation" / "validation.html").read_text(encoding="utf-8")
    assert page.count("<td>fake 1.05</td>") == 2
    assert main(["--only", "1", "--scheme", CHARACTERISTICS, "--jobs", "1"]) == 1
    assert "2 rows, 1 hold, 1 fail" in capsys.readouterr().out


@pytest.mark.usefixtures("fake_checks")
def test_a_check_that_breaks_fails_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--scheme", FINITE_VOLUME, "--jobs", "1"]) == 1
    out, err = capsys.readouterr()
    assert "4 rows, 1 hold, 3 fail" in out
    assert "fake-2.5: ArithmeticError" in out
    assert "lost" in err


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--only", "["], "write for example --only infinite"),
        (["--only", "nowhere"], "the checks are"),
        (["--scheme", "nothing"], "the checks are"),
    ],
)
def test_bad_selection_names_the_remedy(arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert remedy in capsys.readouterr().err


def test_an_output_that_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    only = ["--only", "^infinite_isotropic", "--scheme", CHARACTERISTICS]
    assert main([*only, "--output", str(blocked)]) == 2
    assert str(blocked) in capsys.readouterr().err


@pytest.mark.long
def test_processes_find_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two quick checks in two processes: a table, and a page with a section for each, those that fail first."""
    names = [check.name for check, _ in selected("", None, quick=True)][:2]
    only = ["--quick", "--only", "|".join(f"^{re.escape(name)}$" for name in names), "--output", str(tmp_path)]
    assert main([*only, "--jobs", "2"]) == 0
    out, err = capsys.readouterr()
    assert "2 of 2 checks" in err
    page = (tmp_path / "validation.html").read_text(encoding="utf-8")
    assert all(f"<h2>{name}: holds</h2>" in page for name in names)
    rows = re.search(r"(\d+) rows, ", out)
    assert rows
    assert page.count("<td>holds</td>") + page.count("<td>shown</td>") == int(rows[1])


def test_summary_repeats_the_failures() -> None:
    rows = [Row("good", "s", 1.0, 1.0, 0.0, 0.1), Row("bad", "s", 1.0, 2.0, 0.0, 0.1)]
    assert summary(rows, 3.0).splitlines()[0] == "2 rows, 1 hold, 1 fail; 3 s"
    assert summary(rows, 3.0).splitlines()[2].startswith("bad ")


def test_piecewise_linear_mean_is_the_closed_form_of_the_truncated_relu() -> None:
    mean = piecewise_linear_mean((0.0, 1.0), (0.0, 1.0))
    t = np.array([0.02, 0.3, 1.0, 5.0])
    slope = (1.0 - np.exp(-0.5 / t**2)) / np.sqrt(2.0 * np.pi)
    assert mean.slope(t) == pytest.approx(slope, rel=1e-12)
    assert mean.value(t) == pytest.approx(t * slope + special.ndtr(-1.0 / t), rel=1e-12)


def test_the_velocity_of_the_atom_is_half_the_slope_of_its_risk() -> None:
    atom = SingleAtom(piecewise_linear_mean((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)), two_class_scales(0.5, 2))
    r, h = np.array([0.6, 0.9]), 1e-4
    slopes = [
        (8.0 * (atom.risk(r + step) - atom.risk(r - step)) - atom.risk(r + 2 * step) + atom.risk(r - 2 * step)) / 12 / h
        for step in h * np.eye(2)
    ]
    assert atom.velocity(r) == pytest.approx(-0.5 * np.array(slopes), abs=1e-9)


def test_initial_risk_is_that_of_a_wide_sampled_network() -> None:
    """40000 x on the quadrature's own f, then the network of 4000 neurons against f: each within 5 sigma (6e-7)."""
    generator = np.random.default_rng(7)
    dims, delta, kappa = (2, 3), 0.8, 0.8
    scales = two_class_scales(delta, 2)
    mean = piecewise_linear_mean((0.0, 1.0), (0.0, 1.0))
    label = np.repeat((1.0, -1.0), 20_000)
    per_coordinate = np.repeat(scales, dims, axis=1)[np.repeat((0, 1), 20_000)]
    x = per_coordinate * generator.standard_normal((40_000, 5))
    loss = (label - mean.value(kappa * np.linalg.norm(x, axis=1) / np.sqrt(5.0))) ** 2
    deviation = loss.std() / np.sqrt(loss.size)
    assert abs(loss.mean() - initial_risk(mean, kappa, dims, scales)) < 5.0 * deviation < 0.03
    neurons = kappa / np.sqrt(5.0) * generator.standard_normal((4_000, 5))
    units = np.clip(neurons @ x[0], 0.0, 1.0)
    error = units.mean() - mean.value(kappa * np.linalg.norm(x[:1], axis=1) / np.sqrt(5.0))[0]
    assert abs(error) < 5.0 * units.std() / np.sqrt(units.size) < 0.03


def test_the_risk_figure_shows_reference_risk_error_and_estimate() -> None:
    (case,) = (case for case in trajectories() if case.name == "infinite_isotropic_N_D0.5_k0.4")
    result = Workbench().run(configured(case.tables, CHARACTERISTICS, case.times))
    above, below = figures.risk_figure(case, [result]).axes
    curve, marks = above.lines
    assert curve.get_ydata() == pytest.approx(result.risk[1:], abs=0.0)
    assert marks.get_ydata() == pytest.approx([row["R"][0] for row in case.rows[1:]], abs=0.0)
    error, estimate = below.lines
    expected = [abs(at(result, "risk", row["t"]) - row["R"][0]) for row in case.rows[1:]]
    assert error.get_ydata() == pytest.approx(np.maximum(expected, figures.LEAST_ERROR), rel=1e-12)
    assert estimate.get_ydata() == pytest.approx(result.risk_error[1:], rel=1e-12)


def test_a_run_that_ended_early_has_no_value() -> None:
    (case,) = (case for case in trajectories() if case.name == "infinite_isotropic_N_D0.5_k0.4")
    result = Workbench().run(configured(case.tables, CHARACTERISTICS, (0.0, 0.01)))
    assert at(result, "risk", 0.01) == pytest.approx(case.rows[1]["R"][0], abs=1e-6)
    assert math.isnan(at(result, "risk", 0.02))
