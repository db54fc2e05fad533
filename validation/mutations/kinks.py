"""Mistakes about kinks of Psi: sliding, ways out of where they meet, proximal maps, optima among their cells."""

from __future__ import annotations

from validation.mutations.mutation import mutations

SLIDING = "tests/solvers/characteristics/test_sliding.py"
MOVEMENTS = "tests/solvers/jko/test_kinks.py"
CONES = "tests/solvers/optimum/sphere/test_homogeneous.py"

MUTATIONS = (
    *mutations(
        "solvers/characteristics/sliding.py",
        SLIDING,
        ("multipliers with no upper end", "(own - pull) / sizes[:, None] + 1.0", "np.full_like(pull, np.inf)"),
        (
            "forces that are not projected on the kinks",
            "rates[held.rows] -= (held.push",
            "rates[held.rows] -= 0.0 * (held.push",
        ),
        (
            "atoms on kinks left where steps end",
            "places[held.rows] -= np.einsum",
            "places[held.rows] -= 0.0 * np.einsum",
        ),
        ("a law at rest that steps on", "<= RESTING * self.tolerance", "< 0.0"),
    ),
    *mutations(
        "solvers/characteristics/contact.py",
        SLIDING,
        (
            "no rays along kinks among the ways",
            "return np.concatenate([rays, h -",
            "return np.concatenate([rays[:0], h -",
        ),
        ("ways that take the first in place of the steepest", "int(np.argmin(slopes))", "0 * int(np.argmin(slopes))"),
    ),
    *mutations(
        "solvers/objective/kinks.py",
        SLIDING,
        ("planes of turned normals that are not the same", "rows[turned] *= -1.0", "rows[turned] *= 1.0"),
    ),
    *mutations(
        "solvers/jko/kinks/proximal.py",
        MOVEMENTS,
        (
            "kinks that never let go",
            "rows = self._released(",
            "rows = np.empty(0, dtype=np.int64) if True else self._released(",
        ),
        ("steps that go through kinks", "return np.minimum(shares.min(axis=1), 1.0)", "return np.ones(len(shares))"),
    ),
    *mutations(
        "solvers/optimum/sphere/homogeneous.py",
        CONES,
        (
            "extremes of cells but not of faces",
            "for flat in self.flats for found",
            "for flat in self.flats[:1] for found",
        ),
        ("a dual bound at the gradient as it is", "conjugate(theta * gradient)", "conjugate(gradient)"),
    ),
    *mutations(
        "solvers/optimum/sphere/cone.py",
        CONES,
        ("lengths that cost twice", "np.full(count, strength / longest)", "np.full(count, 2.0 * strength / longest)"),
        ("exponents without their constants", "np.stack([constant, np.ones", "np.stack([0.0 * constant, np.ones"),
    ),
)
