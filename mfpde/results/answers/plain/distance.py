"""The result of `distance`: W2 between two laws, and how exact it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.objects import computed


@ANSWERS.register("distance")
@dataclass(frozen=True)
class Distance(Whole):
    """W2 between two laws.

    Attributes:
        distance: W2 of the laws as they were gathered.
        gathering_error: bound of |distance - W2| by gathering the laws to points; 0 in one coordinate.
        times: of the two laws.
        points: number of pieces of each law that were compared.
    """

    JSON = (
        *("distance", "gathering_error"),
        computed("time_a", lambda answer, names: answer.times[0]),
        computed("time_b", lambda answer, names: answer.times[1]),
        "points",
    )

    distance: float
    gathering_error: float
    times: tuple[float, float]
    points: tuple[int, int]

    def table(self) -> str:
        """The same in words."""
        exact = "exact for the recorded laws"
        bound = exact if self.gathering_error == 0.0 else f"within {self.gathering_error:.1e} of the recorded laws"
        return f"W2 = {self.distance:.12g} between t = {self.times[0]:g} and t = {self.times[1]:g} ({bound})"

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The times."""
        return {"times": [content["time_a"], content["time_b"]]}
