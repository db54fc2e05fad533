"""A problem in mathematics: what is learned, the equation that is solved, and its coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.solve import SolveResult
from mfpde.results.pages.elements import formula, paragraph, table
from mfpde.solvers.flow.confinement import Ridge
from mfpde.solvers.flow.flow import Flow, Schedule


def problem_in_words(experiment: Experiment, run: SolveResult | None) -> str:
    """The section of the problem; the rank and what features leave are those of a run."""
    problem = build_problem(experiment)
    parts = [formula(line) for line in experiment.law.formulas]
    parts.append(paragraph(f"The risk is {problem.data.risk_name.replace('^2', '²')}. The law of neurons follows"))
    parts += [formula(line) for line in equation(problem.flow)]
    geometry = problem.geometry
    rows = [
        (name, axis.described, "moves" if moves else "stays")
        for name, axis, moves in zip(geometry.names, geometry.axes, geometry.mobile, strict=True)
    ]
    parts.append(paragraph("in these coordinates:"))
    parts.append(table(("coordinate", "is on", "under the flow"), rows, "coordinates"))
    parts.append(paragraph(_features(run)))
    return "\n".join(parts)


def equation(flow: Flow) -> Iterator[str]:
    """The equation that is solved and the energy that falls along it, as TeX."""
    measure = r"\nu" if flow.free else r"\rho"
    excess = "G" if flow.free else r"(G - \bar G)"
    terms = [rf"\nabla\cdot({measure}\,{_mobility(flow)}\nabla G)"] if flow.transport else []
    terms += [rf"- {flow.rate:g}\,{excess}\,{measure}"] if flow.reacts and flow.rate > 0.0 else []
    right = " ".join(terms) or "0"
    plain = flow.schedule == Schedule()
    scaled = right if plain else _schedule(flow.schedule) + r"\,\{" + right + r"\}"
    yield rf"\partial_t {measure} = {scaled}"
    noisy, confined = flow.inverse_temperature < math.inf, flow.confines
    inverse = rf"\frac{{1}}{{2\cdot {flow.inverse_temperature:g}}}"
    potential = r"G = \Psi" + (" + V" if confined else "") + (rf" + {inverse}\,\log(\rho/\omega)" if noisy else "")
    yield rf"{potential},\qquad \Psi(z) = \nabla L(\Phi {measure})\cdot\Phi(z)"
    energy = rf"F = 2 L(\Phi {measure})" + (rf" + 2\int V\,d{measure}" if confined else "")
    yield energy + (rf" + \frac{{1}}{{{flow.inverse_temperature:g}}}\int \rho\,\log(\rho/\omega)" if noisy else "")
    if confined:
        yield rf"V(z) = {' + '.join(_penalties(flow))}"


def _schedule(schedule: Schedule) -> str:
    """xi(t)."""
    return (f"{schedule.scale:g}" if schedule.scale != 1.0 else "") + (
        rf"\,t^{{{schedule.power:g}}}" if schedule.power != 0.0 else ""
    )


def _penalties(flow: Flow) -> Iterator[str]:
    """The terms of V."""
    if isinstance(flow.ridge, Ridge):
        yield from (rf"\frac{{{value:g}}}{{2}}|{name}|^2" for name, value in vars(flow.ridge).items() if value > 0.0)
    elif flow.ridge > 0.0:
        yield rf"\frac{{{flow.ridge:g}}}{{2}}|z|^2"
    if flow.penalty.strength > 0.0:
        yield rf"\frac{{{flow.penalty.strength:g}}}{{{flow.penalty.power:g}}}|a|^{{{flow.penalty.power:g}}}"
    if flow.penalty.path > 0.0:
        yield rf"{flow.penalty.path:g}\,|a||w|"


def _mobility(flow: Flow) -> str:
    """M where velocities have factors."""
    return r"M\," if any(value != 1.0 for value in vars(flow.mobility).values()) else ""


def _features(run: SolveResult | None) -> str:
    """How many features the objective has, and what they leave."""
    if run is None or "rank" not in run.attributes:
        return "The objective is a convex loss of finitely many features of the coordinates."
    told = run.attributes
    words = f"The objective is a convex loss of {told['rank']} features of these coordinates"
    left = float(told.get("feature_error", 0.0))
    return f"{words}; what they leave of U is at most {left:.1e}, and part of every error below."
