"""Files of `solve`: NetCDF-3 (64-bit offset), readable by xarray and by every NetCDF library.

Variables: time, risk, risk_error, free_energy, free_energy_error, dissipation, dissipation_error, dissipated, balance,
mass, mean_<name>, variance_<name> (of cos_<name> and sin_<name> on a circle), the estimated errors of these as
<variable>_error, those of covariances as covariance_<name>_<name>_error, residual where the scheme minimises, and the
law, either density(time, <names>) with <name>_edges or position(time, atom, coordinate) and weight(time, atom). A file
that a run can go on from also holds the raw arrays of its schemes under checkpoint_*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.files.netcdf_file import Layout, Variables, held_to, native, put
from mfpde.results.files.watched import put_watched, watched_in
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.grid import recorded_grid

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult

MASS = 1e-6
"""Distance from 1 at which a mass is no longer rounding."""
UNSURE = "estimated discretisation error of"
FREE = "total mass, which is free"
MEANING = {
    "risk": "risk R = {}",
    "risk_error": "estimated discretisation error of the risk",
    "free_energy": "free energy F",
    "free_energy_error": "estimated discretisation error of the free energy",
    "dissipation": "dissipation -dF/dt; NaN: unknown, or an infinite step-size schedule",
    "dissipation_error": "estimated discretisation error of the dissipation; NaN: unknown",
    "dissipated": "integral of the dissipation from 0; NaN: unknown",
    "balance": "energy balance |F(t) - F(0) + dissipated|; NaN: unknown",
    "mass": "total mass",
    "residual": "largest duality gap of the steps so far",
}


def _put(file: Any, result: SolveResult) -> None:
    # NetCDF's only dimension of length 0 is the unlimited one: that of a run before its first save time.
    file.createDimension("time", len(result.time) or None)
    put(file, "time", ("time",), result.time, "training time t (steps times step size)")
    for key, meaning in MEANING.items():
        values = getattr(result, key)
        if values is not None:
            free = key == "mass" and result.attributes.get("mass") == "free"
            put(file, key, ("time",), values, FREE if free else meaning.format(result.risk_name))
    for axis, name in enumerate(result.moment_names):
        put(file, f"mean_{name}", ("time",), result.mean[:, axis], f"mean of {name}")
        put(file, f"variance_{name}", ("time",), result.variance[:, axis], f"variance of {name}")
    for name, (values, meaning) in _errors(result).items():
        put(file, f"{name}_error", ("time",), values, f"{UNSURE} {meaning}; NaN: unknown")
    put_watched(file, ("time",), result.watched)
    _put_law(file, result)


def _errors(result: SolveResult) -> dict[str, tuple[Array, str]]:
    """The estimated errors of all but the energies, by what they are of, and what that is."""
    found: dict[str, tuple[Array, str]] = {name: (error, name) for name, error in result.watched_error.items()}
    if result.mass_error is None or result.covariance_error is None or result.mean_error is None:
        return found
    found["mass"] = result.mass_error, "the mass"
    for i, name in enumerate(result.moment_names):
        found[f"mean_{name}"] = result.mean_error[:, i], f"the mean of {name}"
        found[f"variance_{name}"] = result.covariance_error[:, i, i], f"the variance of {name}"
        for j, other in list(enumerate(result.moment_names))[i + 1 :]:
            meaning = f"the covariance of {name} and {other}"
            found[f"covariance_{name}_{other}"] = result.covariance_error[:, i, j], meaning
    return found


def _errors_in(variables: Variables, statistics: tuple[str, ...], watched: Mapping[str, Array]) -> dict[str, Any]:
    """The same as the fields of a result; nothing of files of earlier versions, which do not have them."""
    told = [name for name in watched if f"{name}_error" in variables]
    found: dict[str, Any] = {"watched_error": {name: native(variables, f"{name}_error") for name in told}}
    if "mass_error" not in variables:
        return found
    mean, variance = (
        np.stack([native(variables, f"{moment}_{name}_error") for name in statistics], axis=1)
        for moment in ("mean", "variance")
    )
    covariance = np.einsum("ti,ij->tij", variance, np.eye(len(statistics)))
    for i, j in zip(*np.triu_indices(len(statistics), 1), strict=True):
        between = native(variables, f"covariance_{statistics[i]}_{statistics[j]}_error")
        covariance[:, i, j] = covariance[:, j, i] = between
    mass = native(variables, "mass_error")
    found |= {"mass_error": mass, "mean_error": mean, "variance_error": variance, "covariance_error": covariance}
    held_to(~np.any([(error < 0.0).any() for error in (mass, mean, covariance)]), "errors of moments that are none")
    return found


def _put_law(file: Any, result: SolveResult) -> None:
    if result.density is not None and result.edges is not None:
        for name, edges in zip(result.names, result.edges, strict=True):
            file.createDimension(name, len(edges) - 1)
            file.createDimension(f"{name}_edge", len(edges))
            put(file, name, (name,), 0.5 * (edges[1:] + edges[:-1]), f"cell centres of {name}")
            put(file, f"{name}_edges", (f"{name}_edge",), edges, f"cell edges of {name}")
        meaning = "density of the law; a cell of no width holds its mass"
        put(file, "density", ("time", *result.names), result.density, meaning)
    if result.position is not None and result.weight is not None:
        file.createDimension("atom", result.weight.shape[1])
        file.createDimension("coordinate", len(result.names))
        put(
            file,
            "position",
            ("time", "atom", "coordinate"),
            result.position,
            "atoms of the law; NaN: no atom",
        )
        put(file, "weight", ("time", "atom"), result.weight, "masses of the atoms")


def _fields(variables: Variables, names: tuple[str, ...]) -> dict[str, Any]:
    on_grid = "density" in variables
    series = {key: native(variables, key) for key in ("time", *MEANING) if key in variables}
    # files of earlier versions do not have it
    series.setdefault("dissipation_error", np.full(len(series["time"]), np.nan))
    statistics = tuple(
        each for name in names for each in ([name] if f"mean_{name}" in variables else [f"cos_{name}", f"sin_{name}"])
    )
    moments: dict[str, Any] = {
        key: np.stack([native(variables, f"{key}_{name}") for name in statistics], axis=1)
        for key in ("mean", "variance")
    }
    watched = watched_in(variables)
    moments |= {"statistics": statistics, "watched": watched, **_errors_in(variables, statistics, watched)}
    _hold_series(series)
    free = variables["mass"][1].get("long_name") == FREE
    if not on_grid:
        law = {key: native(variables, key) for key in ("weight", "position")}
        carried = law["weight"] > 0.0
        held_to(law["weight"] >= 0.0, "atoms of negative weight")
        held_to(np.isfinite(law["position"][carried]), "atoms at no place")
        _hold_mass(series["mass"], law["weight"].sum(axis=1), free)
        return {**series, **moments, **law}
    edges = tuple(native(variables, f"{name}_edges") for name in names)
    density = native(variables, "density")
    for name, axis in zip(names, edges, strict=True):
        held_to(np.isfinite(axis), f"cells of {name} without ends")
        held_to(np.diff(axis) >= 0.0, f"cells of {name} in reversed order")
    held_to(density >= 0.0, "a negative density")
    masses = (density * recorded_grid(edges).volumes).sum(axis=tuple(range(1, density.ndim)))
    _hold_mass(series["mass"], masses, free)
    return {**series, **moments, "density": density, "edges": edges}


def _hold_series(series: Mapping[str, Array]) -> None:
    """Refuse what no run could have recorded."""
    time = series["time"]
    held_to(np.isfinite(time) & (time >= 0.0), "times that are none")
    held_to(np.diff(time) > 0.0, "times that are not increasing")
    held_to(np.isfinite(series["risk"]), "a risk that is not finite")
    held_to(series["risk_error"] >= 0.0, "an error of the risk that is none")


def _hold_mass(told: Array, masses: Array, free: bool) -> None:
    """Refuse laws whose masses do not make up what is told, 1 unless it is free."""
    held_to((told > 0.0) & (told < np.inf) if free else np.abs(told - 1.0) <= MASS, "laws whose mass is not 1")
    held_to(np.abs(masses - told) <= MASS * told, "laws whose masses do not sum to what is told")


LAYOUT = Layout("mfpde solve 3", {"scheme": str, "status": str, "wall_seconds": float}, _put, _fields)
