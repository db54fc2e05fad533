"""Steps of SGD on a graphics processor, or in numba's simulator of one, beside those of this one.

    python -m validation.devices              # where there is such a processor
    NUMBA_ENABLE_CUDASIM=1 python -m validation.devices

Activations are smooth or saturate far away: where a gate flips by rounding two trajectories part.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.flow.flow import Schedule
from mfpde.solvers.sgd.device.ensemble import DeviceEnsemble, shape_of
from mfpde.solvers.sgd.device.memory import SIMULATED
from mfpde.solvers.sgd.device.processor import missing, processor
from mfpde.solvers.sgd.engine import Sgd
from mfpde.solvers.sgd.ensemble import Ensemble
from mfpde.solvers.sgd.samplers import GaussianClasses
from mfpde.solvers.sgd.state import SgdState
from mfpde.studies.bounds.runs import RunSpec, together
from mfpde.studies.sgd.replicas import sgd

REPLICAS, ONE_SCALE, TWO_SCALES = (5, 2), ((1.8, 0.2),), ((1.8, 0.2), (1.0, 1.0))
RAMP = PiecewiseLinear.through(np.array([-1.5, 0.5, 1.5]), np.array([-2.0, -2.5, 7.5]))
DOUBLE, SINGLE = 1e-9, 1e-4


@dataclass(frozen=True)
class Case:
    """Steps of a problem, stopped once within a block.

    Attributes:
        sgd: problem and steps.
        neurons, stop, steps: N, where it stops, how far it goes.
        largest: difference of a parameter.
    """

    sgd: Sgd
    neurons: int
    stop: int
    steps: int
    largest: float = DOUBLE

    @property
    def start(self) -> list[SgdState]:
        """The same for this processor and the other one."""
        random = np.random.default_rng(3)
        w = random.standard_normal((len(REPLICAS), self.neurons, self.sgd.data.dimension))
        a, b = (random.standard_normal((len(REPLICAS), self.neurons)) for _ in range(2))
        return Ensemble.of(self.sgd, REPLICAS).start(w / np.sqrt(w.shape[2]), a, 0.3 * b)

    def difference(self) -> tuple[float, float]:
        """The largest one of a parameter, and how far parameters have moved."""
        start, device = self.start, DeviceEnsemble.of(self.sgd, REPLICAS)
        found = device.advance(device.advance(start, self.stop), self.steps)
        known = Ensemble.of(replace(self.sgd, block=0), REPLICAS).advance(start, self.steps)
        return _apart(found, known), _apart(known, start)


def _apart(first: list[SgdState], second: list[SgdState]) -> float:
    pairs = zip(first, second, strict=True)
    return max(
        float(np.max(np.abs(f - s))) for one, other in pairs for f, s in zip(one.parts, other.parts, strict=True)
    )


def small() -> dict[str, Case]:
    """Cases that the simulator makes in seconds: one neuron beyond a warp of its few threads."""
    fused = Sgd(GaussianClasses((2, 1), TWO_SCALES), Erf(), 0.05, seed=7, block=3)
    everything = replace(
        fused, unit=Tanh(), schedule=Schedule(1.0, -0.25), ridge=0.3, trained_coefficients=True, trained_offsets=True
    )
    # beyond what a thread holds: cuBLAS makes the products
    blocked = replace(everything, data=GaussianClasses((97,), ONE_SCALE), step_size=0.01, block=2)
    return {
        "fused": Case(fused, 5, 2, 4),
        "fused, all that moves, batches": Case(replace(everything, batches=((0, 2), (2, 1))), 3, 1, 4),
        "fused, kinks": Case(replace(fused, unit=RAMP), 3, 1, 4),
        "products, all that moves": Case(replace(blocked, batch=2), 5, 1, 3),
        "products, single precision": Case(replace(blocked, unit=Sigmoid(), precision="float32"), 3, 1, 3, SINGLE),
    }


def large() -> dict[str, Case]:
    """Cases of the sizes that a processor is for."""
    plain = Sgd(GaussianClasses((40,), ONE_SCALE), Erf(), 1e-2, seed=7)
    wide = replace(plain, data=GaussianClasses((60, 260), TWO_SCALES), step_size=1e-3)
    moving = replace(plain, trained_coefficients=True, trained_offsets=True, ridge=0.3, unit=Tanh(), batch=4)
    return {
        "(100, 40)": Case(plain, 100, 37, 200),
        "(100, 40), all that moves, batch 4": Case(moving, 100, 37, 100),
        "(100, 40), single": Case(replace(plain, precision="float32"), 100, 37, 100, SINGLE),
        "(800, 320)": Case(wide, 800, 37, 200),
        "(800, 320), all that moves, batch 4": Case(replace(moving, data=wide.data, step_size=1e-3), 800, 37, 100),
        "(800, 320), single": Case(replace(wide, precision="float32"), 800, 37, 100, SINGLE),
    }


def compared(cases: dict[str, Case]) -> Iterator[tuple[str, bool]]:
    """A line for each case, and whether it holds; a case that breaks says how and hides no other."""
    for name, case in cases.items():
        started = time.perf_counter()
        try:
            shape = shape_of(case.sgd, case.neurons, processor())
            difference, moved = case.difference()
            made = "fused" if shape.fused else "products"
            holds = difference <= case.largest < 0.1 * moved and name.startswith("fused") <= shape.fused
            words = f"{difference:.2e} of {case.largest:g} (moved {moved:.2g}), {made}, {shape.rows} rows"
            yield f"{name}: {words}, {time.perf_counter() - started:.1f} s", holds
        except Exception:
            yield f"{name}: {traceback.format_exc()}", False


def studied() -> tuple[str, bool]:
    """`sgd` and a run of `bounds` by both: the same risks, but for roundings of single precision, which must show."""
    keys: dict[str, Any] = {"neurons": 3, "step_size": 0.005, "replicas": 2, "precision": "float32"}
    timed = {"end": 0.03, "save": 2}
    tables = {"data": {"dims": [3]}, "network": {"activation": "tanh"}, "time": timed, "sgd": keys}
    found = []
    for device in ("cpu", "cuda"):
        experiment = parse({**tables, "sgd": {**keys, "device": device}})
        answer = sgd(experiment, workers=1)
        curves = together([RunSpec("sgd", experiment, replica) for replica in range(2)])
        found.append((answer.attributes["engine"], np.array([answer.risk, [curve.risk for curve in curves]])))
    (_, here), (engine, there) = found
    apart, moved = np.abs(there - here).max(axis=(1, 2)), float(np.abs(here[:, :, 1] - here[:, :, 0]).max())
    holds = engine == processor().name and np.all((apart > 0.0) & (apart < SINGLE)) and moved > 10.0 * SINGLE
    return f"sgd and bounds: risks {apart[0]:.2e} and {apart[1]:.2e} apart (moved {moved:.2g})", bool(holds)


def broken() -> tuple[str, bool]:
    """Steps that overflow end both with the same words."""
    wild = Sgd(
        GaussianClasses((2,), ONE_SCALE),
        PiecewiseLinear([0.0], [0.5], first_slope=1.0),
        1e10,
        trained_coefficients=True,
    )
    words = []
    for kind in (Ensemble, DeviceEnsemble):
        try:
            ensemble = kind.of(wild, [2])
            ensemble.advance(ensemble.start(np.ones((3, 2))), 4)
        except ArithmeticError as error:
            words.append(str(error))
    return f"overflow: {words}", len(words) == 2 and words[0] == words[1]


def main() -> int:
    """Print the comparison; 0 if all hold, 1 if one does not, 2 without a processor."""
    words = missing()
    if words:
        print(f"validation.devices: {words}", file=sys.stderr)
        return 2
    print(f"# {processor().name}")
    found = []
    for line, holds in (*compared(small() if SIMULATED else small() | large()), studied(), broken()):
        print(line if holds else f"FAILED {line}", flush=True)
        found.append(holds)
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
