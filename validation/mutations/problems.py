"""Mistakes in problems: laws, starts, reductions by symmetry."""

from __future__ import annotations

from validation.mutations.mutation import mutations

LAWS = "tests/mfpde/problem/test_initial.py"
KERNELS = "tests/mfpde/problem/reduction/test_reduction.py"

MUTATIONS = (
    *mutations(
        "mfpde/problem/initial/radial.py",
        LAWS,
        ("radii at the scale of one coordinate", "scale = kappa / float(np.sqrt(sum(dimensions)))", "scale = kappa"),
        (
            "shares of blocks of the wrong dimension",
            "SquaredShare(dimensions[j], rest[j + 1])",
            "SquaredShare(dimensions[j], rest[j])",
        ),
        ("the last block takes what is left before it", "left = left * np.cos(points[:, own + j])", "pass"),
    ),
    *mutations(
        "mfpde/problem/initial/joint.py",
        LAWS,
        ("even points of a density that weigh alike", "shares = shares * np.asarray(self.function(places))", "pass"),
    ),
    *mutations(
        "mfpde/problem/marginals.py",
        LAWS,
        (
            "the chi law of one dimension more",
            "special.gammaln(p / 2) - (p / 2 - 1) * np.log(2.0)",
            "special.gammaln(p / 2) - (p / 2) * np.log(2.0)",
        ),
        (
            "a table's distribution function by rectangles",
            "step * (values[cell] + 0.5 * slope[cell] * step)",
            "step * values[cell]",
        ),
    ),
    *mutations(
        "mfpde/problem/marginals.py",
        "tests/mfpde/problem/test_law_kinds.py",
        (
            "weights of a discrete law forgotten",
            "np.bincount(index, weights) / weights.sum()",
            "np.bincount(index) / len(index)",
        ),
    ),
    *mutations(
        "mfpde/problem/initial/points.py",
        "tests/mfpde/problem/test_points.py",
        ("weights of given atoms forgotten", "if WEIGHT in points.columns else np.ones", "if False else np.ones"),
    ),
    *mutations(
        "solvers/space/geometry.py",
        "tests/mfpde/studies/test_mobility.py",
        (
            "the metric of mobilities left out of the dissipation",
            "1.0 / np.where(self.mobility > 0.0, self.mobility, 1.0)",
            "np.ones(self.dimension)",
        ),
    ),
    *mutations(
        "mfpde/problem/laws/gaussian_mixture.py",
        KERNELS + " tests/mfpde/problem/test_problem.py",
        ("the classes exchanged", "((1.0 + delta, 1.0 - delta), *", "((1.0 - delta, 1.0 + delta), *"),
    ),
    *mutations(
        "mfpde/problem/reduction/hermite.py",
        KERNELS,
        (
            "the weight 1/2 of a class",
            "np.exp(0.5 * log_squares[kept]) * np.sqrt(0.5)",
            "np.exp(0.5 * log_squares[kept])",
        ),
        (
            "moments of directions in one dimension more",
            "log_rising(p / 2, highest)[exponents[:, j]]",
            "log_rising((p + 1) / 2, highest)[exponents[:, j]]",
        ),
        ("the gradient across the radius by half", "turning = 2.0 * hermite[n", "turning = hermite[n"),
        ("the contracted one by half", "turned = 2.0 / tau[n]", "turned = 1.0 / tau[n]"),
    ),
    *mutations(
        "mfpde/problem/reduction/blocks.py",
        "tests/mfpde/schemes/test_dissipation_floor.py",
        ("pairs that are turned alike", "(1, 1, other * given[1])", "(1, 1, other)"),
        ("moments held against themselves", "has_offset, 2 * highest)", "has_offset, highest)"),
    ),
    *mutations(
        "mfpde/problem/reduction/trapezoidal.py",
        "tests/mfpde/schemes/test_dissipation_floor.py",
        ("overlaps of the width of one bump", "math.sqrt(2.0) * self.width", "self.width"),
    ),
    *mutations(
        "solvers/objective/representation.py",
        "tests/mfpde/studies/kernel",
        ("what atoms leave of f_0 forgotten", " + self._start_gap(law)", ""),
    ),
    *mutations(
        "solvers/activations/sampled.py",
        "tests/mfpde/problem/activations/test_steep.py",
        ("few places where given functions are seen", "PROBES = 2**22", "PROBES = 2**8"),
    ),
    *mutations(
        "mfpde/problem/reduction/blocks.py",
        KERNELS,
        (
            "class means of weight 1 each",
            "weights[:2], targets[:2] = 0.5, (1.0, -1.0)",
            "weights[:2], targets[:2] = 1.0, (1.0, -1.0)",
        ),
    ),
    *mutations(
        "mfpde/problem/reduction/sphere.py",
        "tests/mfpde/problem/reduction/test_sphere.py",
        (
            "the unit on the other side of 0 upside down",
            "_outwards(-pieces.knots[::-1], -pieces.rises[::-1], -pieces.slopes[::-1])",
            "_outwards(-pieces.knots[::-1], pieces.rises[::-1], -pieces.slopes[::-1])",
        ),
        ("narrow ramps as differences", "NARROW = 0.02", "NARROW = 0.0"),
    ),
    *mutations(
        "mfpde/problem/reduction/zonal/expansion.py",
        f"{KERNELS} tests/mfpde/problem/reduction/test_block_pairs.py",
        ("the error of the interpolation left out", "float(lefts[rank]) + measured", "float(lefts[rank])"),
        ("features of low degree only", "        degree += 2\n    radial", "        degree += 4\n    radial"),
    ),
    *mutations(
        "mfpde/problem/reduction/trapezoidal.py",
        "tests/mfpde/problem/laws",
        ("the rule without its step", "weights = np.full(self.count, self.spacing)", "weights = np.ones(self.count)"),
        (
            "the rule ends where the bumps have their centres",
            "first = self.ends[0] - REACH * self.width",
            "first = self.ends[0]",
        ),
    ),
    *mutations(
        "mfpde/problem/reduction/curvature.py",
        "tests/mfpde/problem/reduction/test_curvature.py tests/mfpde/problem/laws/test_bumps_under_losses.py",
        (
            "the curvature of one of two kinks",
            "total[:, : self._blocks] += 0.5 * _product(strength[:, None], blocks)",
            "total[:, : self._blocks] = 0.5 * _product(strength[:, None], blocks)",
        ),
        (
            "slopes without the share of one class",
            "math.sqrt(0.5 * float(np.sum(scales[j] ** 2)))",
            "math.sqrt(0.5) * float(scales[j][1])",
        ),
    ),
)
