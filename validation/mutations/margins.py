"""Mistakes in margins, in when they stand, and in the harmonics of the 3-spin."""

from __future__ import annotations

from validation.mutations.mutation import mutations

MUTATIONS = (
    *mutations(
        "mfpde/studies/run/energy.py",
        "tests/mfpde/studies/margin/test_flows.py",
        ("a margin that must stand over half of the time", "if time <= 0.9 * times[-1]", "if time <= 0.5 * times[-1]"),
    ),
    *mutations(
        "mfpde/problem/laws/finite_data.py",
        "tests/mfpde/studies/margin/test_flows.py",
        (
            "the square of a norm for the norm",
            "np.sqrt(law.weights @ unit.parted(law.points)[1] ** 2)",
            "(law.weights @ unit.parted(law.points)[1] ** 2)",
        ),
    ),
    *mutations(
        "mfpde/results/answers/samples/margin.py",
        "tests/mfpde/studies/margin/test_margin.py",
        ("normal directions for those on the sphere", "/ points.shape[1])", "/ 1.0)"),
    ),
    *mutations(
        "solvers/harmonics/spins.py",
        "tests/mfpde/problem/laws/test_three_spin.py tests/solvers/harmonics",
        ("a third of the trace", '3.0 * np.einsum("pqq->p"', '1.0 * np.einsum("pqq->p"'),
        ("a third of the cubic slope", "slopes = 3.0 * self._scale", "slopes = 1.0 * self._scale"),
        ("three places alike counted thrice", "1.0 if r == p else 3.0", "3.0 if r == p else 3.0"),
    ),
)
"""Of each: what it breaks, the place, what it becomes."""
