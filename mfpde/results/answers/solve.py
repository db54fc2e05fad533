"""The result of `solve`: time series, and the law at every save time."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mfpde.results.answer import ANSWERS, Recorded
from mfpde.results.files.netcdf_file import Attribute
from mfpde.results.files.solve import LAYOUT
from mfpde.results.objects import by_name, computed, told
from mfpde.results.words import SQUARE
from mfpde.solvers.space.grid import recorded_grid
from mfpde.solvers.space.measure import Atoms, Cells, Measure

if TYPE_CHECKING:
    from mfpde.problem.problem import Problem

Array = NDArray[np.float64]
ROWS = 21
"""Rows of a table at most."""
SAME_TIME = 1e-9
"""Distance, over the time or 1, within which a time is a save time."""
SERIES = (
    *("risk", "risk_error", "free_energy", "free_energy_error", "dissipation", "dissipation_error"),
    *("dissipated", "balance", "mass"),
)


MOMENTS = (
    told("mass_error"),
    told("mass_plus", optional=True),
    told("mass_plus_error", optional=True),
    *(by_name(name, "moment_names") for name in ("mean", "mean_error", "variance", "variance_error")),
)
SIGN = "sign"
"""The coordinate of laws that are signed."""


@ANSWERS.register("solve")
@dataclass(frozen=True)
class SolveResult(Recorded):
    """A trajectory t -> rho_t of the reduced dynamics.

    Attributes:
        time: save times t, shape (T,), increasing.
        risk: R(rho_t), shape (T,).
        risk_error: estimate of the discretisation error of the risk, shape (T,).
        free_energy: F = R + ridge ∫|theta|^2 + ..., shape (T,).
        free_energy_error: estimate of its discretisation error, with noise that of the entropy above all, shape (T,).
        dissipation: -dF/dt = xi(t) D with D = 2 (∫|grad G|^2 drho + alpha Var_rho G), shape (T,); NaN where unknown or
            where xi is infinite.
        dissipation_error: estimate of its discretisation error, shape (T,); NaN where it is unknown.
        dissipated: ∫_0^t of it, by the scheme's own quadrature, shape (T,); NaN where unknown.
        balance: |F(t) - F(0) + dissipated|, 0 but for the error of the discretisation, shape (T,); NaN where unknown.
        mass: ∫rho_t, shape (T,), 1 up to rounding unless it is free.
        mean: mean of each reduced coordinate over the mass, shape (T, D); of cosine and sine of one on a circle.
        variance: their variances, likewise.
        names: the D coordinate names, ("r1", "r2", ...).
        weight: masses of the atoms, shape (T, n); None on a grid. Where the number of atoms changes, rows are
            filled up with weight 0 and position NaN.
        position: the atoms, shape (T, n, D); None on a grid.
        density: densities on the cells, shape (T, n_1, ..., n_D); None for atoms. Where a
            cell has no width (an atom at that edge), the mass counts instead, per width of the other axes.
        edges: cell edges per axis; None for atoms.
        scheme: the scheme's name.
        status: "success", "interrupted", "failed" or "running" (a checkpoint).
        wall_seconds: time spent computing, over all resumed parts.
        residual: largest duality gap of the steps so far, shape (T,), for schemes that minimise; else None.
        attributes: provenance and what the scheme has to say.
        statistics: the names of what moments are of, where these are not the coordinates.
        watched: what the data law tells of rho_t beside the risk, by its name, shape (T,) each.
        mass_error, mean_error, variance_error, covariance_error, watched_error: estimates of the discretisation errors
            of these, of their shapes, NaN where unknown; None in files of before.
    """

    FIGURES = ("risk", "density", "classes", "cuts")

    JSON = (
        *("time", *SERIES, computed("", lambda result, names: result.watched)),
        computed("", lambda result, names: {f"{name}_error": error for name, error in result.watched_error.items()}),
        *(told("residual", optional=True), *MOMENTS),
        computed("covariance", lambda result, names: result.covariances),
        computed("covariance_error", lambda result, names: result.covariances_error),
        *("scheme", computed("notes", lambda result, names: result.notes), "wall_seconds", "status"),
    )

    LAYOUT = LAYOUT
    NOTHING = "holds no save time yet; continue it with `mfpde solve --resume`"

    time: Array
    risk: Array
    risk_error: Array
    free_energy: Array
    free_energy_error: Array
    dissipation: Array
    dissipation_error: Array
    dissipated: Array
    balance: Array
    mass: Array
    mean: Array
    variance: Array
    names: tuple[str, ...]
    scheme: str
    status: str
    wall_seconds: float
    residual: Array | None = None
    weight: Array | None = None
    position: Array | None = None
    density: Array | None = None
    edges: tuple[Array, ...] | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    watched: Mapping[str, Array] = field(default_factory=dict)
    mass_error: Array | None = None
    mean_error: Array | None = None
    variance_error: Array | None = None
    covariance_error: Array | None = None
    watched_error: Mapping[str, Array] = field(default_factory=dict)

    @property
    def moment_names(self) -> tuple[str, ...]:
        """What moments are of."""
        return self.statistics or self.names

    @property
    def mass_plus(self) -> Array | None:
        """The mass of sign +1, shape (T,); None of laws without signs."""
        if SIGN not in self.moment_names:
            return None
        return np.asarray(0.5 * self.mass * (1.0 + self.mean[:, self.moment_names.index(SIGN)]))

    @property
    def mass_plus_error(self) -> Array | None:
        """Estimate of the error of the mass of sign +1, shape (T,); None where there is none."""
        if self.mean_error is None or self.mass_error is None or SIGN not in self.moment_names:
            return None
        sign = self.moment_names.index(SIGN)
        return 0.5 * (self.mass_error * (1.0 + self.mean[:, sign]) + self.mass * self.mean_error[:, sign])

    @property
    def risk_name(self) -> str:
        """What the risk is, in words."""
        return str(self.attributes.get("risk_name", SQUARE))

    @property
    def of_what(self) -> str:
        """What it follows, where SGD stands beside it: the equation, or the gradient flow of as many neurons."""
        return "flow" if self.attributes.get("neurons") == "actual" else "PDE"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the run."""
        return tuple(str(self.attributes.get("notes", "")).splitlines())

    @property
    def cell_masses(self) -> Array:
        """Masses of the cells, shape (T, n_1, ..., n_D); raises ValueError for atoms."""
        if self.density is None or self.edges is None:
            raise ValueError("the law is carried by atoms: read weight and position instead of cell_masses")
        return self.density * recorded_grid(self.edges).volumes

    @property
    def covariance(self) -> Array:
        """Covariance of what moments are of, shape (T, D, D); its diagonal is the variance."""
        found = np.zeros((*self.variance.shape, self.variance.shape[-1]))
        for row in range(len(found)):
            law = self.law_at(row)
            apart = self._read(law.points) - self.mean[row]
            found[row] = (law.weights / law.weights.sum() * apart.T) @ apart
            # the points of cells are their centres
            np.fill_diagonal(found[row], self.variance[row])
        return found

    def _read(self, points: Array) -> Array:
        """What moments are of at points (n, D), shape (n, S)."""
        columns: list[Array] = []
        for axis, name in enumerate(self.names):
            phase = points[:, axis] * (2.0 * np.pi / float(self.attributes.get(f"period_{name}", 2.0 * np.pi)))
            columns += [points[:, axis]] if name in self.moment_names else [np.cos(phase), np.sin(phase)]
        return np.stack(columns, axis=1)

    @property
    def covariances(self) -> dict[str, dict[str, Array]]:
        """The covariance of every two coordinates, by their names in order; nothing of one coordinate."""
        return self._pairs(self.covariance if len(self.moment_names) > 1 else None) or {}

    @property
    def covariances_error(self) -> dict[str, dict[str, Array]] | None:
        """Estimates of their errors, likewise; None where there are none."""
        return self._pairs(self.covariance_error)

    def _pairs(self, matrix: Array | None) -> dict[str, dict[str, Array]] | None:
        """The part of a matrix of every two coordinates, by their names in order."""
        if matrix is None:
            return None
        names = self.moment_names
        return {names[i]: {names[j]: matrix[:, i, j] for j in range(i + 1, len(names))} for i in range(len(names) - 1)}

    def predict(self, x: Array, time: float | None = None) -> Array:
        """f(x; rho_t) at inputs of shape (n, d) and a save time (by default the last), shape (n,).

        Raises:
            ConfigurationError: the data law does not tell it, or its file has changed.
            ValueError: another time, or inputs of another shape.
        """
        return self.problem.predict(self.law(time), x)

    @property
    def problem(self) -> Problem:
        """What was solved; raises ConfigurationError where a file of it has changed."""
        from mfpde.configuration.parsing import parse
        from mfpde.problem.problem import build_problem

        return build_problem(parse(tomllib.loads(str(self.attributes["configuration"]))))

    def row(self, time: float | None = None) -> int:
        """Index of a save time, of the last one by default; raises ValueError where it was not saved."""
        if not len(self.time):
            raise ValueError("the result holds no save time yet; continue it with `mfpde solve --resume`")
        if time is None:
            return len(self.time) - 1
        nearest = int(np.argmin(np.abs(self.time - time)))
        if not (abs(self.time[nearest] - time) <= SAME_TIME * max(1.0, abs(time))):
            problem = f"t = {time:g} is no save time of the result; the nearest is {self.time[nearest]:.12g}"
            told = ", ".join(f"{self.time[index]:.6g}" for index in told_rows(len(self.time), ROWS))
            raise ValueError(f"{problem}, or add it to time.save (saved: {told})")
        return nearest

    def law(self, time: float | None = None) -> Measure:
        """rho_t at a save time, by default the last; raises ValueError naming the times where it was not saved."""
        return self.law_at(self.row(time))

    def law_at(self, row: int) -> Measure:
        """rho_t at one save time, on atoms (those that carry mass) or on cells."""
        if self.density is not None and self.edges is not None:
            grid = recorded_grid(self.edges)
            return Cells(grid, self.density[row] * grid.volumes, names=self.names)
        if self.weight is None or self.position is None:
            raise ValueError("the result holds no law")
        held = self.weight[row] > 0.0
        return Atoms(self.position[row][held], self.weight[row][held], names=self.names)

    def table(self) -> str:
        """Risk, its error and the moments at up to `ROWS` save times, the first and the last among them."""
        names = [f"{moment} {name}" for moment in ("mean", "var") for name in self.moment_names]
        free = self.attributes.get("mass") == "free"
        names = ["mass", *names] if free else names
        lines = [f"{'t':>10}  {'risk':>13}  {'error':>8}" + "".join(f"  {name:>11}" for name in names)]
        for index in told_rows(len(self.time), ROWS):
            moments = [*self.mass[[index] if free else []], *self.mean[index], *self.variance[index]]
            line = f"{self.time[index]:>10.4g}  {self.risk[index]:>13.8g}  {self.risk_error[index]:>8.1e}"
            lines.append(line + "".join(f"  {value:>11.4g}" for value in moments))
        for name, values in self.watched.items() if len(self.time) else ():
            lines.append(f"{name.replace('_', ' ')}: {values[0]:.8g} at first, {values[-1]:.8g} at last")
        if len(self.time) and np.isfinite(self.balance[-1]):
            energy = f"F = {self.free_energy[-1]:.8g}, dissipated since t = 0: {self.dissipated[-1]:.8g}"
            lines.append(f"{energy}, |F - F(0) + dissipated| up to {np.nanmax(self.balance):.1e}")
        if self.residual is not None:
            lines.append(f"largest duality gap of a step: {np.nanmax(self.residual):.1e}")
        said = self.message.splitlines()
        lines += [f"note: {note}" for note in self.notes if note not in said]
        return "\n".join([*lines, f"{self.scheme}, {self.status}, {self.wall_seconds:.2f} s"])

    def animate(self, path: Path) -> None:
        """Write the law in motion beside the risk; raises OutputError where .mp4 lacks ffmpeg."""
        from mfpde.results.figures.motion.animation import animate

        animate(self, path)


def told_rows(count: int, most: int) -> list[int]:
    """Indices of at most `most` of `count` rows, equally spaced, the first and the last among them."""
    return sorted({round(index * (count - 1) / max(most - 1, 1)) for index in range(most)}) if count else []
