"""Replicas of one problem together: the same trajectories as one by one, bit for bit.

On a core they share nothing: samples are their own, the nearest cache holds the weights of one replica at a time, and
the loops are as fast for one as for many (`kernels`). What has thousands of lanes takes them at once, behind the same
interface.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..arrays import Array
from .engine import Sgd
from .state import SgdState

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """Trajectories that differ by their stream.

    What makes their steps elsewhere takes `problem` and `replicas`, and offers the same `start` and `advance`.

    Attributes:
        largest: replicas that are taken at once at most.
        alone: whether one process makes the steps of all: others would wait for the same device.
        step_seconds: about what a step takes per parameter and replica, for the length of a stretch.
        members: what makes one trajectory each; alike but for `replica`, and for data that hold a replica's own start.
    """

    members: tuple[Sgd, ...]
    largest: ClassVar[float] = 16
    alone: ClassVar[bool] = False
    step_seconds: ClassVar[float] = 5e-9

    @classmethod
    def refusals(cls, problem: Sgd, neurons: int) -> list[str]:
        """Why the steps of a problem are not made here, in words that go on with what to write instead."""
        return []

    @classmethod
    def of(cls, problem: Sgd, replicas: Sequence[int]) -> Self:
        """These replicas of a problem."""
        return cls(tuple(replace(problem, replica=replica) for replica in replicas))

    @property
    def problem(self) -> Sgd:
        """What all have in common: the first one."""
        return self.members[0]

    @property
    def replicas(self) -> tuple[int, ...]:
        """Their streams."""
        return tuple(member.replica for member in self.members)

    def start(self, w: Array, a: Array | float = 1.0, b: Array | float = 0.0) -> list[SgdState]:
        """The states of step 0, w of shape (R, N, d) or (N, d), a and b (R, N), (N,) or one number."""
        count = len(self.members)
        w = np.broadcast_to(w, (count, *np.shape(w)[-2:]))
        heads = [np.broadcast_to(part, w.shape[:2]) for part in (a, b)]
        return [member.start(*parts) for member, *parts in zip(self.members, w, *heads, strict=True)]

    @property
    def engine(self) -> str:
        """What makes the steps."""
        return self.problem.engine

    def next_boundary(self, state: SgdState, step: int) -> int:
        """The first end of a block at or after `step`."""
        return self.problem.next_boundary(state, step)

    def advance(self, states: Sequence[SgdState], until: int) -> list[SgdState]:
        """The states at step `until`, each as `Sgd.advance` gives it; raises as that does."""
        pairs = zip(self.members, states, strict=True)
        return [member.advance(state, until) for member, state in pairs]

    def run(self, states: Sequence[SgdState], stops: Iterable[int]) -> Iterator[list[SgdState]]:
        """The states at increasing steps `stops`, computed as they are asked for."""
        for stop in stops:
            states = self.advance(states, stop)
            yield list(states)
