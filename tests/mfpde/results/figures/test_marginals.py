"""What the figures show: densities that integrate to one, telling times, views that hold the law."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.results.answers.solve import SolveResult
from mfpde.results.figures.laws.marginals import draw_marginal, marginal, spread_density, view_of
from mfpde.results.figures.solve import chosen_times, density_figure
from mfpde.results.figures.style import new_figure, symbol
from mfpde.results.files.drawn import save_figure
from mfpde.solvers.space.grid import Grid
from mfpde.solvers.space.measure import Atoms, Cells
from mfpde.studies.solve import solve
from tests.mfpde.decaying import Chosen, DecayingAtoms, DecayingGrid


@pytest.fixture(params=["atoms", "grid"])
def result(request: pytest.FixtureRequest, decaying: Chosen) -> SolveResult:
    decaying.use(DecayingAtoms(0.05, drop_after=1.0) if request.param == "atoms" else DecayingGrid())
    return solve(parse({"data": {}, "network": {}, "time": {"end": 8.0, "save": 33}}), scheme="decaying")


def test_marginals_integrate_to_one_and_keep_the_mean(result: SolveResult) -> None:
    view = view_of(result)
    for index in (0, 10, 32):
        for axis in (0, 1):
            edges = view.edges[axis]
            masses = marginal(result, index, axis, view) * np.where(np.diff(edges) > 0.0, np.diff(edges), 1.0)
            assert masses.sum() == pytest.approx(1.0, rel=1e-12)
            centres = 0.5 * (edges[1:] + edges[:-1])
            assert masses @ centres == pytest.approx(result.mean[index, axis], abs=np.diff(edges).max() / 2)


@pytest.mark.parametrize("upright", [True, False])
def test_atoms_are_lines_as_high_as_their_mass(upright: bool) -> None:
    """Mass .3 at the origin, and the rest uniform on [1, 2]: a box of height .7 and a line to .3 of the axis."""
    places = np.append(0.0, 1.0 + (np.arange(700) + 0.5) / 700.0)
    law = Atoms(places[:, None], np.append(0.3, np.full(700, 1e-3)))
    edges, axes = np.linspace(0.0, 2.0, 21), new_figure(3.0, 3.0).add_subplot()
    draw_marginal(axes, law, edges, upright, color="k")
    (lines,) = axes.collections
    ((one, other),) = lines.get_segments()
    assert [one.tolist(), other.tolist()] == ([[0.0, 0.0], [0.0, 0.3]] if upright else [[0.0, 0.0], [0.3, 0.0]])
    assert spread_density(law, edges).tolist() == pytest.approx([0.0] * 10 + [0.7] * 10)
    assert axes.patches[0].get_data().values.tolist() == pytest.approx([0.0] * 10 + [0.7] * 10)


def test_atoms_in_cells_of_no_width_are_lines_too() -> None:
    grid = Grid((np.array([0.0, 0.0, 0.5, 1.0]),), (np.array([0.0, 0.25, 0.75]),))
    axes = new_figure(3.0, 3.0).add_subplot()
    draw_marginal(axes, Cells(grid, np.array([0.25, 0.375, 0.375])), grid.edges[0])
    assert axes.collections[0].get_segments()[0].tolist() == [[0.0, 0.0], [0.0, 0.25]]
    assert axes.patches[0].get_data().values.tolist() == [0.0, 0.75, 0.75]


def test_the_view_holds_the_law_at_every_time(result: SolveResult) -> None:
    for axis, (low, high) in enumerate(view_of(result).limits):
        assert low >= 0.0
        assert np.all((low <= result.mean[:, axis]) & (result.mean[:, axis] <= high))
        assert high - low < 2.0


def test_the_times_shown_follow_the_motion(result: SolveResult) -> None:
    chosen = chosen_times(result)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 32, 4)
    # Half of the way down exp(-t) lies before t = 2, a quarter of the interval.
    assert result.time[chosen[2]] <= 2.5


def test_names_become_mathematics() -> None:
    assert (symbol("r1"), symbol("r12"), symbol("a")) == ("$r_{1}$", "$r_{12}$", "$a$")


def test_a_density_has_a_scale_of_its_colours_and_a_title(result: SolveResult) -> None:
    drawn = save_figure(lambda: density_figure(result), title="of a problem")
    scales = [axes.get_ylabel() for axes in drawn.axes if "density" in axes.get_ylabel()]
    assert scales == (["density over its largest"] if isinstance(result.law_at(0), Cells) else [])
    assert "of a problem" in [words.get_text() for words in drawn.texts]
