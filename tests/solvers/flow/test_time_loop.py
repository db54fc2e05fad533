"""What a failed step says, to a caller of the solver and to the user of a configuration."""

from __future__ import annotations

import pickle

from mfpde.errors import in_keys
from mfpde.solvers.flow.time_loop import StepFailure


def test_a_failed_step_names_the_options_of_its_scheme_and_the_door_their_keys() -> None:
    failure = StepFailure("the step collapsed", 1.25, "use a smaller {step} or more {cells}")
    assert str(failure) == "the step collapsed at flow time 1.25; use a smaller step or more cells"
    assert in_keys(failure).endswith("; use a smaller solver.step or more solver.cells")
    # workers send it to the process that tells it
    sent = pickle.loads(pickle.dumps(failure))
    assert (str(sent), sent.flow_time) == (str(failure), 1.25)
