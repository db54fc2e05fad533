"""A schedule xi(t) = t^p is a change of time: the law at t is the reference's, with xi = 1, at s = t^(p+1) / (p+1)."""

from __future__ import annotations

from collections.abc import Iterator

from validation.expected.reference import trajectories
from validation.rows import CHARACTERISTICS, SCHEMES, Row, allowance, check
from validation.workbench import Workbench, at, configured

CASE = "isotropic_N_d320_kappa0.4"
LAST = 3.0


@check("schedule", SCHEMES, quick=(CHARACTERISTICS,))
def time_change(bench: Workbench, scheme: str) -> Iterator[Row]:
    """A decaying and a growing schedule, saved where s meets the reference's times."""
    (case,) = (case for case in trajectories() if case.name == CASE)
    expected = [(row["t"], *row["R"]) for row in case.rows if row["t"] <= LAST]
    for power in (-0.25, 1.0):
        times = [((power + 1.0) * flow_time) ** (1.0 / (power + 1.0)) for flow_time, _, _ in expected]
        result = bench.run(configured(case.tables, scheme, times, schedule={"power": power}))
        for time, (_, risk, bar) in zip(times, expected, strict=True):
            computed = at(result, "risk", time)
            yield Row(f"schedule t^{power:g} R({time:.4g})", scheme, risk, computed, bar, allowance(scheme, risk, bar))
