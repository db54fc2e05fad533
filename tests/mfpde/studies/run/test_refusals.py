"""What the configuration can say but no scheme can do is refused in words that name the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import experiment_of
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.laws.interface import DataLaw
from mfpde.problem.marginals import Marginal, Uniform
from mfpde.problem.network import Unit
from mfpde.problem.problem import Problem
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.axis import Axis, Circle
from mfpde.solvers.space.box import Box
from mfpde.studies.run.refusals import unsupported

NOISE = {"inverse_temperature": 10.0, "ridge": 0.1}
BIRTHS = {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0}


@dataclass(frozen=True)
class OnACircle(DataLaw):
    """Units at angles."""

    name = "on-a-circle"
    network_keys = ()

    def axes(self) -> dict[str, Axis]:
        return {"angle": Circle()}

    def start(self, initial: object, heads: Sequence[Marginal | float]) -> InitialLaw:
        return product_law([Uniform(0.0, 6.0)])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        raise AssertionError("nothing is computed")


def messages(dims: list[int], dynamics: dict[str, Any], scheme: str) -> list[str]:
    """The refusals of an isotropic or anisotropic truncated-ReLU problem."""
    tables = {"data": {"dims": dims}, "network": {}, "dynamics": dynamics, "solver": {"scheme": scheme}}
    return unsupported(parse(tables))


@pytest.mark.parametrize(
    ("dims", "dynamics", "scheme", "words"),
    [
        ([1001], NOISE, "finite-volume", "noise is not resolved yet in blocks above 1000"),
        ([40], NOISE, "characteristics", "inverse_temperature"),
        ([1001], NOISE, "jko", "noise is not resolved yet in blocks above 1000"),
    ],
)
def test_refusals_name_the_remedy(dims: list[int], dynamics: dict[str, Any], scheme: str, words: str) -> None:
    found = messages(dims, dynamics, scheme)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("dims", "dynamics", "scheme"),
    [
        ([1000], NOISE, "finite-volume"),
        ([100_000], {}, "finite-volume"),
        ([40], BIRTHS, "characteristics"),
        ([40], BIRTHS, "finite-volume"),
        ([40], NOISE | BIRTHS, "finite-volume"),
        ([60, 260], {}, "characteristics"),
        ([40], BIRTHS, "jko"),
        ([40], NOISE, "jko"),
        ([40], NOISE | BIRTHS, "jko"),
    ],
)
def test_what_a_scheme_can_do_is_not_refused(dims: list[int], dynamics: dict[str, Any], scheme: str) -> None:
    assert messages(dims, dynamics, scheme) == []


def test_coordinates_that_a_scheme_cannot_lay_out_are_refused_before_anything_is_computed() -> None:
    """Where no scheme is named, the first is taken that can."""
    circle = Problem(OnACircle())
    noisy = replace(circle, flow=Flow(inverse_temperature=2.0))
    for scheme in ("finite-volume", "jko"):
        assert unsupported(experiment_of(circle, scheme=scheme)) == []
        (message,) = unsupported(experiment_of(noisy, scheme=scheme))
        assert message.startswith("data.law: angle lies on a circle, along which no cells or tables can be laid out")
        assert message.endswith('; write solver.scheme = "particles"')
    assert experiment_of(circle).solver.scheme == "finite-volume"
    (message,) = unsupported(experiment_of(replace(circle, flow=Flow(ridge=0.1))))
    assert message == "dynamics.ridge: angle lies on a circle, where |z|^2 jumps after a turn: write ridge = 0"


def test_a_grid_takes_three_coordinates() -> None:
    """A fourth is refused before anything is computed; where no scheme is named, one is taken that can."""
    tables = {"data": {"dims": [4, 6, 8]}, "network": {"coefficients": "trained"}}
    assert parse(tables).solver.scheme == "characteristics"
    (message,) = unsupported(parse(tables | {"solver": {"scheme": "finite-volume"}}))
    words = "solver.scheme: a grid takes at most 3 reduced coordinates, this problem has 4 (r1, r2, r3, a); write "
    assert message == f'{words}solver.scheme = "jko", "characteristics" or "particles"'
    assert parse({"data": {}, "network": {}}).solver.scheme == "finite-volume"
