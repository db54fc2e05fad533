"""The time loop: where steps end, and what a failed one says to a caller of the solver and to the user."""

from __future__ import annotations

import pickle
from dataclasses import replace

from mfpde.errors import in_keys
from mfpde.solvers.flow.time_loop import StepFailure, integrate
from tests.mfpde.decaying import DecayingAtoms


def test_a_failed_step_names_the_options_of_its_scheme_and_the_door_their_keys() -> None:
    failure = StepFailure("the step collapsed", 1.25, "use a smaller {step} or more {cells}")
    assert str(failure) == "the step collapsed at flow time 1.25; use a smaller step or more cells"
    assert in_keys(failure).endswith("; use a smaller solver.step or more solver.cells")
    # workers send it to the process that tells it
    sent = pickle.loads(pickle.dumps(failure))
    assert (str(sent), sent.flow_time) == (str(failure), 1.25)


def test_no_step_is_longer_than_asked_for_or_passes_a_save_time() -> None:
    """Steps of 0.25 at most between save times at 0.6 and 1.1, of a scheme that would take 10."""
    scheme = DecayingAtoms(10.0)
    ends: list[float] = []
    saved: list[tuple[int, float]] = []
    integrate(
        scheme,
        replace(scheme.initial_state(), flow_time=0.1),
        [0.0, 0.1, 0.6, 1.1],
        lambda index, state: saved.append((index, state.flow_time)),
        lambda state: ends.append(state.flow_time),
        longest=0.25,
    )
    assert ends == [0.35, 0.6, 0.85, 1.1]
    # what lies before the start is not saved again
    assert saved == [(1, 0.1), (2, 0.6), (3, 1.1)]
