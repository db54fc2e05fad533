"""What the configuration can say but no scheme can do is refused in words that name the way out."""

from __future__ import annotations

from typing import Any

import pytest

from mfpde.configuration.parsing import parse
from mfpde.studies.run.refusals import unsupported

NOISE = {"inverse_temperature": 10.0, "ridge": 0.1}
BIRTHS = {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0}


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
