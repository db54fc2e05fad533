"""Files of `sgd`, NetCDF-3; a comparison with the equation adds its own variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.files.netcdf_file import Layout, Variables, held_to, native, put
from mfpde.results.files.watched import put_watched, watched_in

if TYPE_CHECKING:
    from mfpde.results.answers.sgd import SgdResult

AXES = ("replica", "time", "neuron", "coordinate")


def _put(file: Any, result: SgdResult) -> None:
    replicas, times, neurons, dimension = result.position.shape
    for name, length in (("time", times), ("replica", replicas), ("neuron", neurons), ("coordinate", dimension)):
        file.createDimension(name, length)
    put(file, "time", ("time",), result.time, "training time t (steps times step size)")
    put(file, "risk", ("replica", "time"), result.risk, "population risk of the network; NaN: not computed")
    put(file, "risk_error", ("replica", "time"), result.risk_error, "standard error of the risk, 0: exact")
    put_watched(file, ("replica", "time"), result.watched)
    put(file, "position", AXES, result.position, "the neurons in the reduced coordinates; NaN: not computed")


def _fields(variables: Variables, names: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {key: native(variables, key) for key in ("time", "risk", "position")}
    # files of before had exact risks alone
    found["risk_error"] = native(variables, "risk_error") if "risk_error" in variables else 0.0 * found["risk"]
    found["watched"] = watched_in(variables)
    time, known = found["time"], ~np.isnan(found["risk"])
    held_to(np.isfinite(time) & (time >= 0.0), "times that are none")
    held_to(np.diff(time) > 0.0, "times that are not increasing")
    held_to(np.isfinite(found["risk"][known]), "a risk that is not finite")
    held_to(np.diff(known.astype(int), axis=1) <= 0, "replicas with a gap between their times")
    held_to(np.isfinite(found["position"][known]), "neurons at no place")
    return found


LAYOUT = Layout("mfpde sgd 1", {"steps": int, "status": str, "wall_seconds": float}, _put, _fields)
