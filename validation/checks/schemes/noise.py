"""Noise: the transient of the reference in finite volumes, and its Gibbs laws by Newton's method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mfpde.configuration.parsing import parse
from mfpde.experiment import Experiment
from mfpde.studies.optimum.gibbs import gibbs_optimum
from validation.expected.reference import activation, reference
from validation.rows import FINITE_VOLUME, Row, check, within_estimate, worst
from validation.workbench import Workbench, at

TRANSIENT = 1e-4
"""Relative accuracy of noisy finite volumes at the default grid."""
GIBBS = 1e-10


def _configuration(given: Mapping[str, Any], times: tuple[float, ...] = (0.0, 1.0)) -> Experiment:
    return parse(
        {
            "data": {"dims": [given["d"]], "delta": given["Delta"]},
            "network": {"activation": activation(given["act"])},
            "initial": {"kappa": given.get("kappa", 0.8)},
            "dynamics": {"inverse_temperature": given["beta"], "ridge": given["lambda"]},
            "time": {"end": times[-1], "save": list(times)},
        }
    )


@check("noisy-transient", (FINITE_VOLUME,))
def transient(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Risk and free energy, and the error estimate at its worst time."""
    for case in reference()["noisy_transient"]:
        rows = case["rows"]
        result = bench.run(_configuration(case["params"], tuple(float(row["t"]) for row in rows)))
        for quantity, series in (("R", "risk"), ("F", "free_energy")):
            for row in rows:
                value, bar = row[quantity]
                allowed = max(TRANSIENT * abs(value), 3.0 * bar)
                yield Row(f"noisy {quantity}({row['t']:g})", scheme, value, at(result, series, row["t"]), bar, allowed)
        risks = [(row["t"], *row["R"]) for row in rows]
        yield worst(within_estimate("noisy", scheme, time, value, bar, result) for time, value, bar in risks)


@check("gibbs", ("newton",))
def gibbs(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Risk, free energy and moments of the Gibbs laws, and the duality gap."""
    del bench
    for case in reference()["gibbs"]:
        found = gibbs_optimum(_configuration(case["params"]))
        label = f"Gibbs law beta = {case['params']['beta']:g}"
        for name, computed in (
            ("R", found.risk),
            ("F", found.free_energy),
            ("mean_r", float(found.mean[0])),
            ("var_r", float(found.variance[0])),
        ):
            value, bar = case[name]
            yield Row(f"{label} {name}", scheme, value, computed, bar, GIBBS + 3.0 * bar)
        yield Row(f"{label} duality gap", scheme, 0.0, found.free_energy - found.lower_bound, 0.0, GIBBS)
