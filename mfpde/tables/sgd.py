"""The table [sgd]: the stochastic gradient descent beside the equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Integer, Kind, Number
from mfpde.keys.reader import POSITIVE, TableReader, increasing
from mfpde.solvers.sgd.devices import DEVICES

MAXIMUM_COUNT = 10**9
LARGEST_BATCH = 10**6
NEURONS = 800


@dataclass(frozen=True)
class BatchSchedule:
    """Batches of `sizes`[i] samples from step `steps`[i] on; steps[0] = 0."""

    steps: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class BatchKey(Kind):
    """A size, or { steps, sizes }."""

    @property
    def accepted(self) -> str:
        return f"an integer from 1 to {LARGEST_BATCH}, or {{ steps = [0, k, ...], sizes = [n, ...] }}"

    def read(self, reader: TableReader, name: str, default: int) -> int | BatchSchedule:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return reader.integer(name, default, 1, LARGEST_BATCH)
        table = TableReader(reader.dotted(name), value, ("steps", "sizes"), reader.errors)
        steps = table.integers("steps", 0, 10**12, "[0, 100000]") or ()
        sizes = table.integers("sizes", 1, LARGEST_BATCH, "[1, 512]") or ()
        if not steps or steps[0] != 0 or len(steps) != len(sizes) or not increasing(tuple(map(float, steps))):
            reader.complain(
                name, "needs increasing steps from 0 on, a size for each", "{ steps = [0, 100], sizes = [1, 64] }"
            )
            return default
        return BatchSchedule(steps, sizes)

    def plain(self, value: int | BatchSchedule) -> object:
        return {"steps": list(value.steps), "sizes": list(value.sizes)} if isinstance(value, BatchSchedule) else value


@dataclass(frozen=True)
class Sgd(Checked):
    """The stochastic gradient descent run beside the equation."""

    table = "sgd"

    neurons: int = key(None, Integer(1, MAXIMUM_COUNT, NEURONS), f"N; {NEURONS}, or one for each row of initial.points")
    step_size: float = key(2e-4, Number(POSITIVE), "eps")
    replicas: int = key(1, Integer(1, MAXIMUM_COUNT), "independent runs")
    seed: int = key(0, Integer(0, 2**31 - 1), "of all random numbers, those of the scheme particles too")
    batch: int | BatchSchedule = key(1, BatchKey(), "samples averaged in a step")
    sampling: str = key(
        "replacement",
        Choice(("replacement", "epoch", "full")),
        "of a data set: draws with replacement, a permutation each epoch, or every sample in every step",
    )
    state: str = key(
        "weights",
        Choice(("weights", "gram")),
        "all coordinates of every neuron, or those that the neurons span in a block of many more: the same law at a "
        "cost that does not grow with d",
    )
    precision: str = key("float64", Choice(("float64", "float32")), "of the steps; risks are computed in float64")
    device: str = key("cpu", Choice(tuple(DEVICES)), "what makes the steps: this processor, or a graphics processor")

    @property
    def batches(self) -> tuple[tuple[int, int], ...]:
        """Pairs (step, size) of a schedule; none where all batches are alike."""
        held = self.batch
        return tuple(zip(held.steps, held.sizes, strict=True)) if isinstance(held, BatchSchedule) else ()

    @property
    def first_batch(self) -> int:
        """Samples of the first step."""
        return self.batch.sizes[0] if isinstance(self.batch, BatchSchedule) else self.batch

    @property
    def largest_batch(self) -> int:
        """Samples of a step at most."""
        return max(self.batch.sizes) if isinstance(self.batch, BatchSchedule) else self.batch
