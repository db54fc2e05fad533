"""Mistakes in free mass, signs and circles, and in the optimum of signed measures."""

from __future__ import annotations

from validation.mutations.mutation import mutations

FLOWS = "tests/solvers/test_free_mass.py"

MUTATIONS = (
    *mutations(
        "solvers/flow/reaction.py",
        "tests/solvers/flow/test_free_mass.py",
        (
            "free mass that dissipates the variance of G in place of G^2",
            "        if not self.free:\n            potential = potential - float(masses @ potential)",
            "        if True:\n            potential = potential - float(masses @ potential)",
        ),
        (
            "the midpoint of a step of free mass at its end",
            "middle = reaction.image(half, -half_reach * psi)[0]",
            "middle = reaction.image(half, -2.0 * half_reach * psi)[0]",
        ),
    ),
    *mutations(
        "solvers/flow/flow.py",
        FLOWS,
        (
            "weights of free mass that grow by G less its mean",
            "return potential if self.free else potential - masses @ potential",
            "return potential - masses @ potential",
        ),
    ),
    *mutations(
        "solvers/characteristics/selection.py",
        FLOWS,
        (
            "the mass at the start forgotten where it is free",
            "return np.asarray(total * np.exp(np.minimum(logarithm, LARGEST)))",
            "return np.asarray(np.exp(logarithm))",
        ),
    ),
    *mutations(
        "solvers/particles/birth_death_process.py",
        FLOWS,
        ("free weights that shrink where they should grow", "= logs - actions", "= logs + actions"),
    ),
    *mutations(
        "solvers/finite_volume/circles.py",
        FLOWS,
        (
            "walls at the cut of a circle",
            "np.arange(-more, count + more) % count",
            "np.clip(np.arange(-more, count + more), 0, count - 1)",
        ),
        ("outputs that count the cells past the cut", "return self.outputs(new), rate", "return _, rate"),
    ),
    *mutations(
        "solvers/optimum/signed.py",
        "tests/solvers/optimum/test_signed.py",
        ("slopes of weights without the penalty", "(values @ g) + self.penalty,", "(values @ g),"),
        (
            "no bound between the places where eta is sampled",
            "bent, found = _Bent(program.bend(g) / penalty), []",
            "bent, found = _Bent(0.0), []",
        ),
    ),
)
"""Of each: what it breaks, the place, what it becomes."""
