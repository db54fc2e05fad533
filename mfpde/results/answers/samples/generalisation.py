"""The result of `generalisation`: the risks of every setting, batch by batch, their slopes, and what that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.bounds import Exponent, Series
from mfpde.results.files.netcdf_file import Attribute
from mfpde.results.objects import Part, told
from mfpde.solvers.arrays import Array

WORDS = {
    "excess_neurons": "R(n, P) - R(2n, P)",
    "excess_samples": "R(n, P) - R(n, infinity)",
    "excess_strength": "R(lambda) - R(0)",
}
"""What is measured, by its key among the exponents; R is the risk over the law."""
HEADS = {"neurons": "n", "samples": "P", "strength": "lambda"}


@dataclass(frozen=True, order=True)
class Setting(Part):
    """n, P and lambda."""

    neurons: int
    samples: int
    strength: float


@dataclass(frozen=True)
class SettingRuns(Part):
    """All batches of one setting, at the last save time.

    Attributes:
        setting: n, P, lambda.
        batches: which batches are there.
        risk: on the samples, the mean over the groups of neurons of a batch, shape (B,).
        test_risk: over the law, exact, likewise.
        law_risk: over the law of the same neurons that were trained on the law, likewise; NaN where they were not.
    """

    JSON = (
        *(told(name, f"setting.{name}") for name in ("neurons", "samples", "strength")),
        *("batches", "risk", "test_risk", "law_risk"),
    )

    setting: Setting
    batches: tuple[int, ...]
    risk: Array
    test_risk: Array
    law_risk: Array

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The setting, from its three numbers."""
        return {"setting": Setting(content["neurons"], content["samples"], content["strength"])}


@dataclass(frozen=True)
class Curves(Part):
    """The largest setting over time, means over the batches.

    Attributes:
        time: save times, shape (T,).
        risk, test_risk, law_risk: as in `SettingRuns`, shape (T,).
    """

    time: Array
    risk: Array
    test_risk: Array
    law_risk: Array


@ANSWERS.register("generalisation")
@dataclass(frozen=True)
class GeneralisationResult(Answer):
    """What a sweep found.

    Attributes:
        design: the sweep in words.
        settings: the risks.
        curves: those of the largest setting over time; None where none of its runs is there.
        series: what was measured along each factor.
        exponents: their slopes by name.
        limit: R(infinity, P) with its interval, from R(n) - R(2n) at the largest n if R - R(infinity) is C / n.
        target_norm: the norm of the target that lambda multiplies, which R(lambda) - R(0) is held against; NaN where
            neurons do not represent the target.
        slope_bound: the largest (R(lambda) - R(0)) / lambda with its interval.
        verdicts: for every claim "holds", "does not hold" or "undecided within the data", with the numbers.
        flow_error: what a hundredth of the tolerance changes in the risk over the law.
        status: "success", "interrupted" or "failed".
        wall_seconds: time of this call.
        message: what went wrong, or is worth a warning.
        attributes: provenance.
    """

    FIGURES = ("generalisation",)
    JSON = (
        *("design", "settings", "curves", "series", "exponents", "limit", "target_norm", "slope_bound", "verdicts"),
        *("flow_error", "status", "wall_seconds"),
    )

    design: str
    settings: tuple[SettingRuns, ...]
    curves: Curves | None
    series: tuple[Series, ...]
    exponents: Mapping[str, Exponent]
    limit: Exponent
    target_norm: float
    slope_bound: Exponent
    verdicts: Mapping[str, str]
    flow_error: float
    status: str
    wall_seconds: float
    message: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> GeneralisationResult:
        """From a JSON object; see `Part`."""
        series = [{**item, "exponent": content["exponents"][item["name"]]} for item in content["series"]]
        return super().from_json({**content, "series": series})

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The provenance."""
        return {"attributes": content.get("provenance", {})}

    def provenance(self) -> Mapping[str, Any]:
        """Versions, configuration, seed."""
        return {"provenance": dict(self.attributes)}

    def table(self) -> str:
        """The result as text."""
        head = f"{'n':>6} {'P':>7} {'lambda':>9} {'batches':>8} {'train':>11} {'over the law':>13} {'scatter':>9}"
        lines = [self.design, f"risks at the last save time; steps change them by {self.flow_error:.1e}", head]
        for runs in self.settings:
            setting, scatter = runs.setting, runs.test_risk.std(ddof=1) if len(runs.batches) > 1 else float("nan")
            text = f"{setting.neurons:>6} {setting.samples:>7} {setting.strength:>9.3g} {len(runs.batches):>8}"
            lines.append(f"{text} {runs.risk.mean():>11.4g} {runs.test_risk.mean():>13.4g} {scatter:>9.2g}")
        for item in self.series:
            lines += ["", f"{WORDS[item.name]}, by {HEADS[item.factor]}"]
            rows = zip(item.x, item.value, item.low, item.high, strict=True)
            lines += [f"{x:>12g} {value:>12.4g}   [{low:.4g}, {high:.4g}]" for x, value, low, high in rows]
        limit = self.limit
        lines += ["", f"R(infinity, P) = {limit.value:.4g}   [{limit.low:.4g}, {limit.high:.4g}] by 1/n"]
        lines += [f"{claim}: {text}" for claim, text in self.verdicts.items()]
        lines.append(f"{self.status}, {self.wall_seconds:.1f} s")
        return "\n".join(lines)
