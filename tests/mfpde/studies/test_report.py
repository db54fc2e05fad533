"""Reports: what their parts are, what becomes of them, and the page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import mfpde
from mfpde.commands.main import main
from mfpde.presets import names
from mfpde.problem.laws.interface import LAWS
from mfpde.results.pages.elements import formula, table
from mfpde.results.pages.problem import equation
from mfpde.solvers.flow.confinement import Penalty
from mfpde.solvers.flow.flow import Flow, Schedule
from mfpde.studies.report import report as module
from mfpde.studies.report import running
from mfpde.studies.report.plan import Step, plan
from mfpde.studies.report.report import folder_of
from mfpde.studies.report.running import run_steps

SHORT: dict[str, Any] = {"end": 0.5, "save": 3}


def steps_of(name: str, full: bool = False) -> dict[str, Step]:
    return {step.name: step for step in plan(mfpde.load_configuration(name), full)}


@pytest.mark.parametrize("law", LAWS.names())
def test_every_law_says_what_is_learned_in_formulas_that_can_be_drawn(law: str) -> None:
    formulas = LAWS[law](**LAWS[law].begun).formulas
    assert formulas
    for tex in formulas:
        assert 'src="data:image/svg+xml;base64,' in formula(tex)


@pytest.mark.parametrize(
    ("flow", "told"),
    [
        (Flow(), r"\partial_t \rho = \nabla\cdot(\rho\,\nabla G)"),
        (Flow(fisher_rao_rate=2.0, transport=False), r"\partial_t \rho = - 2\,(G - \bar G)\,\rho"),
        (Flow(growth=2.0, penalty=Penalty(path=0.1)), r"\partial_t \nu = \nabla\cdot(\nu\,\nabla G) - 2\,G\,\nu"),
        (
            Flow(ridge=0.5, inverse_temperature=20.0, schedule=Schedule(1.0, -0.25)),
            r"\partial_t \rho = \,t^{-0.25}\,\{\nabla\cdot(\rho\,\nabla G)\}",
        ),
    ],
)
def test_the_equation_is_that_of_the_flow(flow: Flow, told: str) -> None:
    lines = list(equation(flow))
    assert lines[0] == told
    assert any("V(z)" in line for line in lines) == flow.confines
    for tex in lines:
        formula(tex)


def test_parts_are_two_schemes_and_what_applies() -> None:
    steps = steps_of("isotropic-gaussians")
    assert list(steps) == ["first", "second", "sgd", "ending", "optimum", "stationary"]
    assert "finite-volume" in steps["first"].command
    assert "characteristics" in steps["second"].command
    assert not any(step.refusal for step in steps.values())
    assert "--set solver.tolerance=0.0001" in steps["first"].command
    assert "tolerance" not in steps_of("isotropic-gaussians", full=True)["first"].command


@pytest.mark.parametrize("name", names())
def test_every_preset_has_a_report(name: str) -> None:
    steps = steps_of(name)
    assert not steps["first"].refusal
    assert all(step.refusal or step.command.startswith("mfpde ") for step in steps.values())


def test_a_table_escapes_what_would_be_markup() -> None:
    assert "<td>a &lt; b</td>" in table(("x",), [("a < b",)], "x")


def only(monkeypatch: pytest.MonkeyPatch, *wanted: str) -> None:
    """Reports of these parts alone; the others are refused."""

    def fewer(experiment: Any, full: bool) -> tuple[Step, ...]:
        return tuple(
            step if step.name in wanted else replace(step, refusal="left out here") for step in plan(experiment, full)
        )

    monkeypatch.setattr(module, "plan", fewer)


@pytest.mark.long
def test_a_page_of_two_schemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "first", "second", "optimum")
    page = tmp_path / "report.html"
    found = mfpde.report("isotropic-gaussians", page, **SHORT)
    statuses = {part.name: part.status for part in found.parts}
    assert statuses == dict.fromkeys(statuses, "refused") | dict.fromkeys(("first", "second", "optimum"), "success")
    assert not folder_of(page).exists()
    content = page.read_text(encoding="utf-8")
    agreed = re.search(r"differ by at most (\S+) in the risk: (.*?) \(largest share", content)
    assert agreed
    assert float(agreed[1]) < 1e-3
    assert agreed[2] == "within what they state"
    assert content.count("Does not apply: left out here.") == 3
    assert "mfpde solve problem.toml --scheme characteristics --set solver.tolerance=0.0001 -o second.nc" in content
    # nothing is loaded from elsewhere
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', content)
    assert not re.findall(r"https?://", re.sub(r'"data:[^"]*"', "", content))
    in_a_browser(page)


def in_a_browser(page: Path) -> None:
    """The page has no error on the console and fits a small screen; where there is a browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        return
    wide = "Math.max(...[...document.body.children].map(item => item.scrollWidth))"
    probe = page.with_name("probe.html")
    script = (
        f"<script>document.title = 'widest ' + {wide}; document.querySelector('button.csv').click();</script></body>"
    )
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=380,900"]
    done = subprocess.run(
        [browser, *options, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=60, check=False
    )
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>widest (\d+)</title>", done.stdout)
    assert title
    assert int(title[1]) <= 520
    assert "copied" in done.stdout


@pytest.mark.long
def test_an_interrupted_report_keeps_its_parts_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, "optimum")
    page, own = tmp_path / "report.html", run_steps
    ran: list[str] = []

    def interrupted(steps: Any, folder: Path, known: Any, **given: Any) -> None:
        own([step for step in steps if step.name == "optimum"], folder, known, **given)
        raise KeyboardInterrupt

    def counted(steps: Any, folder: Path, known: Any, **given: Any) -> None:
        ran.extend(step.name for step in steps if step.name not in known)
        own(steps, folder, known, **given)

    command = ["report", "isotropic-gaussians", "-o", str(page), "--quiet", "--set", "time.end=0.5"]
    monkeypatch.setattr(module, "run_steps", interrupted)
    assert main(command) == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert (folder_of(page) / "optimum.json").exists()
    assert main(command) == 2
    assert "holds parts of an earlier report; write --resume or --force" in capsys.readouterr().err
    assert main([*command[:-1], "time.end=0.6", "--resume"]) == 2
    assert "holds parts of another problem" in capsys.readouterr().err
    monkeypatch.setattr(module, "run_steps", counted)
    assert main([*command, "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "optimum" not in ran
    assert {part["name"]: part["status"] for part in told["parts"]}["optimum"] == "success"
    assert page.exists()
    assert not folder_of(page).exists()


def test_a_part_that_takes_too_long_is_stopped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "first")
    monkeypatch.setattr(module, "QUICK", 0.0)
    found = mfpde.report("isotropic-gaussians", tmp_path / "report.html", **SHORT)
    assert found.parts[0].status == "stopped"
    assert "took longer than the time a quick report has" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_can_go_on_later_gives_its_place_to_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def begin(step: Step, folder: Path, use: Any, before: float) -> Any:
        begun.append(step.name)
        script = "trap 'exit 130' INT; sleep 30" if step.file.endswith(".nc") else "true"
        process = subprocess.Popen(["sh", "-c", script], stderr=subprocess.PIPE, text=True, start_new_session=True)
        return running._Running(step, process, monotonic(), before)

    monkeypatch.setattr(running, "_begin", begin)
    steps = [Step(name, name, ("solve",), f"{name}.nc") for name in ("one", "two")]
    steps.append(Step("three", "three", ("optimum",), "three.json"))
    found: dict[str, Any] = {}
    note = lambda part: found.update({part.name: part})  # noqa: E731
    run_steps(steps, tmp_path, {}, use=(), seconds=3.5, note=note, progress=lambda *told: None)
    assert {name: part.status for name, part in found.items()} == {
        "one": "stopped",
        "two": "stopped",
        "three": "success",
    }
    assert begun.index("three") < len(begun) - 1
    assert sum(part.seconds for part in found.values()) < 2 * running.GRACE
    assert max(part.seconds for part in found.values()) > 0.4


def test_a_report_needs_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["report", "isotropic-gaussians"]) == 2
    assert "-o: missing; write for example -o report.html" in capsys.readouterr().err
    assert main(["report", "isotropic-gaussian", "-o", str(tmp_path / "page.txt")]) == 2
    told = capsys.readouterr().err
    assert "did you mean the preset isotropic-gaussians" in told
    assert "ends in .html" in told


def test_actual_neurons_have_no_second_scheme() -> None:
    assert "actual neurons have a flow of their own" in steps_of("committee-erf")["second"].refusal
    assert not steps_of("committee-erf")["first"].refusal


def test_a_scheme_with_something_against_it_is_not_the_second_where_there_is_another() -> None:
    """Characteristics would take too many atoms here, which is why particles are the first."""
    steps = steps_of("generalisation-relu")
    assert "--scheme particles" in steps["first"].command
    assert "--scheme jko" in steps["second"].command
