"""What a run can go on from: the states of its schemes as named arrays, and whether they are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.results.files.netcdf_file import DAMAGE, held_to
from mfpde.results.files.solve import MASS
from mfpde.solvers.flow.time_loop import Scheme, State


def pack_state(name: str, state: State) -> dict[str, NDArray[Any]]:
    """A scheme state as named arrays for a checkpoint."""
    scalars = np.array([state.flow_time, state.step])
    return {f"{name}_clock": scalars, **{f"{name}_array_{key}": array for key, array in state.arrays.items()}}


def unpack_state(name: str, arrays: Mapping[str, NDArray[Any]]) -> State | None:
    """The scheme state stored by `pack_state`, None where the checkpoint has none."""
    if f"{name}_clock" not in arrays:
        return None
    flow_time, step = (float(value) for value in arrays[f"{name}_clock"])
    prefix = f"{name}_array_"
    own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    return State(flow_time, step, own)


def hold_state(scheme: Scheme, first: State, state: State, begin: float, end: float, free: bool) -> None:
    """Refuse a state that the scheme cannot have reached.

    Args:
        first: its state at flow time 0.
        begin, end: between which flow times it stands.
        free: whether the mass is, so that it need not be 1.

    Raises:
        Impossible: the state has other arrays, a number that is none, another clock, or a law that is none.
    """
    held_to(set(state.arrays) == set(first.arrays), "a state of another scheme")
    held_to(begin <= state.flow_time <= end, "a state at another time")
    held_to(0.0 <= state.step < math.inf, "a step that is none")
    for name, array in state.arrays.items():
        like = np.asarray(first.arrays[name])
        same = array.dtype == like.dtype and array.ndim == like.ndim and array.shape[1:] == like.shape[1:]
        held_to(same and (array.size > 0 or like.size == 0), f"an array {name} of another form")
        held_to(np.isfinite(array), f"numbers in {name} that are none")
    try:
        seen = scheme.observe(state)
    except DAMAGE as error:
        held_to(False, f"a state that cannot be read ({error})")
    else:
        held_to(seen.law.weights >= 0.0, "a state of negative mass")
        held_to(0.0 < seen.mass < math.inf if free else abs(seen.mass - 1.0) <= MASS, f"a state of mass {seen.mass:g}")
        held_to(np.isfinite(seen.risk), "a state without a risk")


def hold_audit(audit: NDArray[Any], columns: int, stops: Sequence[float]) -> None:
    """Refuse what was not measured at these stops, from the first on; raises Impossible."""
    held_to(audit.ndim == 2 and audit.shape[1] == columns and len(audit) <= len(stops), "an audit of another form")
    held_to(audit[:, 0] == np.array(stops[: len(audit)]), "an audit at other times")
    held_to(~(audit[:, 1:3] < 0.0), "an audit of negative errors")
