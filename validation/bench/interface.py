"""What a bench is: a name and a function of the setting that yields ratios; what it prints besides goes on the page.

    @bench("norms")
    def norms(setting: Setting) -> Iterator[Ratio]:
        # Norms of 10^6 vectors beside NumPy's.
        yield Ratio("10^6 norms", best(ours), "numpy.linalg.norm", best(theirs), goal=0.5)

Each bench runs in a process of its own, on one thread of BLAS, with nothing beside it. A package to compare with is
installed in an environment of its own: `setting.peers.answer(("torch",), SCRIPT, "800")` is the last line, read as
JSON, that a script prints there, and raises `PeerMissing` where it cannot be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from validation.bench.peers import Peers


@dataclass(frozen=True)
class Ratio:
    """One measured number of this program beside a peer's.

    Attributes:
        work: what was done, with its size: "one-pass SGD, N = 800, d = 60".
        ours: what this program took, or reached.
        peer: what it is compared with: another package, the loop that one writes, another scheme or a limit that was
            set; empty for a number that is only shown.
        theirs: what that took for the same work; None where it could not be measured, or for a number only shown.
        unit: of both: "s" (of the wall's clock), "processor s", "steps/s", "MB".
        more_is_better: of this unit, as of steps per second.
        goal: the least ratio that is aimed at; None: none is.
        note: anything else in a line, as why there is no peer's number.
    """

    work: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    unit: str = "s"
    more_is_better: bool = False
    goal: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as good as the peer's number ours is: above 1 it is faster, or smaller."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.more_is_better else self.theirs / self.ours

    @property
    def verdict(self) -> str:
        """Whether the goal is met; a NaN misses it."""
        if self.goal is None or self.ratio is None:
            return ""
        return "met" if self.ratio >= self.goal else "MISSED"


@dataclass(frozen=True)
class Setting:
    """How a bench is run.

    Attributes:
        quick: small sizes and few repeats: a minute at most.
        peers: other packages, each in its own environment.
    """

    quick: bool
    peers: Peers


@dataclass(frozen=True)
class Bench:
    """A named producer of ratios.

    Attributes:
        name: what --only selects by.
        ratios: setting -> ratios, which are told as they come.
    """

    name: str
    ratios: Callable[[Setting], Iterable[Ratio]]


BENCHES: dict[str, Bench] = {}
"""Every bench by its name."""


def bench(name: str) -> Callable[[Callable[[Setting], Iterable[Ratio]]], Callable[[Setting], Iterable[Ratio]]]:
    """Register the decorated setting -> ratios under a name."""

    def register(ratios: Callable[[Setting], Iterable[Ratio]]) -> Callable[[Setting], Iterable[Ratio]]:
        if name in BENCHES:
            raise ValueError(f"the bench {name!r} is registered already, by {BENCHES[name].ratios.__module__}")
        BENCHES[name] = Bench(name, ratios)
        return ratios

    return register
