"""Wasserstein distances between two times of the isotropic trajectory."""

from __future__ import annotations

from collections.abc import Iterator

from mfpde.configuration.parsing import parse
from mfpde.studies.distance import distance
from validation.expected.reference import reference, trajectories
from validation.rows import CHARACTERISTICS, FINITE_VOLUME, Row, check
from validation.workbench import Workbench

CASE = "isotropic_M_d40"
SETTINGS = {
    CHARACTERISTICS: ({"tolerance": 1e-8, "atoms": [4000]}, 1e-8),
    "jko": ({"tolerance": 1e-7, "atoms": [4000]}, 1e-5),
    FINITE_VOLUME: ({}, 1e-2),
}
"""Per scheme its options, and the relative accuracy of W2 that they bring.

The atoms are so many that no panel is halved on the way: halved ones do not pair with those before, which costs 5e-5.
"""


@check("distances", tuple(SETTINGS), quick=(CHARACTERISTICS,))
def distances(bench: Workbench, scheme: str) -> Iterator[Row]:
    """W2 in one coordinate, where it is exact for the laws that were saved."""
    (case,) = (case for case in trajectories() if case.name == CASE)
    pairs = reference()["W2"]
    times = sorted({float(time) for first, second, _, _ in pairs for time in (first, second)})
    options, accuracy = SETTINGS[scheme]
    timed = {"end": times[-1], "save": times}
    result = bench.run(parse({**case.tables, "time": timed, "solver": {"scheme": scheme, **options}}))
    for first, second, expected, bar in pairs:
        found = distance(result, result, (first, second)).distance
        allowed = max(accuracy * expected, 3.0 * bar)
        yield Row(f"{CASE} W2({first:g}, {second:g})", scheme, expected, found, bar, allowed)
