"""What a sweep says: series, slopes and verdicts from the risks of its batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.bounds import Exponent
from mfpde.results.answers.samples.generalisation import Curves, GeneralisationResult, Setting, SettingRuns
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.confinement import NO_PENALTY, confinement_on
from mfpde.studies.bounds.fits import FAILS, HOLDS, UNDECIDED, UNKNOWN, Bootstrap, Quantity, bias, verdict
from mfpde.studies.generalisation.design import Design, doubled, ridge_of, run_configuration, with_strength
from mfpde.studies.generalisation.runs import Trained

NEURONS = Quantity("excess_neurons", "neurons", "", bias, -1.0, signed=True)
SAMPLES = Quantity("excess_samples", "samples", "", bias, -0.5, signed=True)
STRENGTH = Quantity("excess_strength", "strength", "", bias, 1.0, signed=True)
CLAIMS = {
    NEURONS: ("R(n, P) - R(infinity, P) falls at least as 1/n", True),
    SAMPLES: ("R(n, P) - R(n, infinity) falls at least as P^-1/2", True),
    STRENGTH: ("R(lambda) - R(0) falls at least as lambda", False),
}
BOUND = "R(lambda) - R(0) <= lambda |f*|"
OPTIONS = {"neurons": "--neurons", "samples": "--samples", "strength": "--ridge"}
Batches = Mapping[int, list[Trained]]


@dataclass(frozen=True)
class Risks:
    """Finished runs.

    Attributes:
        flows: those on samples by setting and batch, one for each group of neurons.
        laws: those over the law by batch.
        first, finer: the first run of the largest setting, and the same with finer steps.
    """

    flows: Mapping[Setting, Batches]
    laws: Batches
    first: Trained | None
    finer: Trained | None

    def last(self, setting: Setting, batches: int) -> Array | None:
        """Risks over the law at the end, shape (B,); None where a batch is missing."""
        return _last(self.flows[setting], batches)


def _last(runs: Batches, batches: int) -> Array | None:
    """The mean over the groups of each batch."""
    if len(runs) < batches:
        return None
    return np.array([np.mean([run.test_risk[-1] for run in runs[batch]]) for batch in range(batches)])


def analyse(design: Design, risks: Risks, configuration: Experiment) -> GeneralisationResult:
    """Series, slopes and verdicts from the runs that are there."""
    bootstrap, count = Bootstrap.of(design.batches), design.batches
    base, law = risks.last(design.base, count), _last(risks.laws, count)
    free = risks.last(design.free, count)
    gaps = {
        NEURONS: [(each, risks.last(each, count), risks.last(doubled(each), count)) for each in design.neuron_sweep],
        SAMPLES: [(each, risks.last(each, count), law) for each in design.sample_sweep],
        STRENGTH: [(each, risks.last(each, count), free) for each in design.strength_sweep],
    }
    series, exponents, verdicts = [], {}, {}
    for quantity, points in gaps.items():
        claim, at_most = CLAIMS[quantity]
        there = [(setting, high - low) for setting, high, low in points if high is not None and low is not None]
        missing = _lack(quantity.factor, len(points), len(there), count)
        exponents[quantity.name] = UNKNOWN
        if there and len(there) == len(points):
            x = np.array([float(getattr(setting, quantity.factor)) for setting, _ in there])
            along, _ = quantity.along(x, [(np.zeros(1), gap[:, None]) for _, gap in there], bootstrap)
            series.append(along)
            exponents[quantity.name] = along.exponent
            if not (missing or np.isfinite(along.exponent.value)):
                missing = f"at {x[0]:g} it is lost in its scatter; write more --batches"
        verdicts[claim] = verdict(exponents[quantity.name], quantity.reference, at_most, missing)
        if quantity is STRENGTH and series and series[-1].name == STRENGTH.name and np.all(series[-1].high <= 0.0):
            verdicts[claim] = f"{HOLDS}: R(lambda) lies below R(0) at every lambda"
    norm = target_norm(configuration, design)
    steepest = _steepest(design, risks, bootstrap)
    verdicts[BOUND] = _bound(steepest, norm)
    twice = risks.last(doubled(design.base), count)
    limit = UNKNOWN if base is None or twice is None else bootstrap.interval(bootstrap.shares @ (2.0 * twice - base))
    first, finer = risks.first, risks.finer
    error = np.nan if first is None or finer is None else float(np.abs(first.test_risk - finer.test_risk).max())
    return GeneralisationResult(
        str(design),
        tuple(runs for setting in design.settings if (runs := _runs(setting, risks, design)) is not None),
        _curves(risks.flows[design.base], risks.laws),
        tuple(series),
        exponents,
        limit,
        norm,
        steepest,
        verdicts,
        error,
        "running",
        0.0,
    )


def _lack(factor: str, points: int, present: int, batches: int) -> str:
    """Why there is no slope, and what to write; empty where there is one."""
    if present < points:
        return "runs are missing"
    if points < 2:
        return f"fewer than two values; write several after {OPTIONS[factor]}"
    return "one batch has no scatter; write --batches 10" if batches < 2 else ""


def _runs(setting: Setting, risks: Risks, design: Design) -> SettingRuns | None:
    """The finished batches of a setting."""
    flows = risks.flows[setting]
    if not flows:
        return None
    on_law = risks.laws if setting == design.base else {}
    mean = [np.mean([(run.risk[-1], run.test_risk[-1]) for run in each], axis=0) for each in flows.values()]
    law = [np.mean([run.risk[-1] for run in on_law[batch]]) if batch in on_law else np.nan for batch in flows]
    train, test = np.array(mean).T
    return SettingRuns(setting, tuple(flows), train, test, np.array(law))


def _curves(flows: Batches, laws: Batches) -> Curves | None:
    """Means over the batches that are finished on the samples and over the law."""
    both = [batch for batch in flows if batch in laws]
    if not both:
        return None
    runs, over = ([run for batch in both for run in each[batch]] for each in (flows, laws))
    risk, test, law = (np.mean(rows, axis=0) for rows in
                       ([r.risk for r in runs], [r.test_risk for r in runs], [r.risk for r in over]))  # fmt: skip
    return Curves(runs[0].time, risk, test, law)


def _steepest(design: Design, risks: Risks, bootstrap: Bootstrap) -> Exponent:
    """The largest (R(lambda) - R(0)) / lambda over lambda, that whose interval ends highest."""
    free, found = risks.last(design.free, design.batches), []
    for setting in design.strength_sweep:
        risk = risks.last(setting, design.batches)
        if risk is None or free is None:
            return UNKNOWN
        found.append(bootstrap.interval(bootstrap.shares @ ((risk - free) / setting.strength)))
    return max(found, key=lambda each: each.high if np.isfinite(each.high) else each.value, default=UNKNOWN)


def _bound(steepest: Exponent, norm: float) -> str:
    """Whether the risk grows by no more than the norm of the target times lambda."""
    if not np.isfinite(norm):
        return f"{UNDECIDED}: neurons of this kind do not represent the target, or nothing says how"
    if not np.isfinite(steepest.high):
        return f"{UNDECIDED}: no interval of the growth (claim: at most {norm:g})"
    word = HOLDS if steepest.high <= norm else FAILS if steepest.low > norm else UNDECIDED
    numbers = f"growth {steepest.value:.3g} lambda, 95 % interval [{steepest.low:.3g}, {steepest.high:.3g}]"
    return f"{word}: {numbers} (claim: at most {norm:g})"


def target_norm(configuration: Experiment, design: Design) -> float:
    """What lambda multiplies in F, of neurons that represent the target; NaN where they are not known."""
    problem = build_problem(run_configuration(configuration, design, design.base, 0))
    rows = problem.data.represented(problem.unit)
    dynamics = with_strength(configuration.dynamics, 1.0)
    if rows is None:
        return np.nan
    confinement = confinement_on(problem.geometry, ridge_of(dynamics), dynamics.penalty or NO_PENALTY)
    return float(2.0 * confinement.value(rows).mean())
