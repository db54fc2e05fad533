"""Mistakes in objectives: losses, features, what is small; and in characteristics on them."""

from __future__ import annotations

from validation.mutations.mutation import mutations

LOSSES = "tests/solvers/objective/losses"
CHARACTERISTICS = "tests/solvers/characteristics tests/solvers/flow tests/solvers/space/test_flows_on_axes.py"

MUTATIONS = (
    *mutations(
        "solvers/objective/tangent.py",
        "tests/mfpde/studies/kernel",
        ("errors of a kernel decay at half the rate", "-2.0 * np.outer(", "-1.0 * np.outer("),
        ("a regression forgets its ridge", "1.0 / (self.eigenvalues + strength)", "1.0 / self.eigenvalues"),
        ("what no row reaches is learned", "max(float(error @ error) - float(along.sum()), 0.0)", "0.0"),
    ),
    *mutations(
        "solvers/flow/flow.py",
        "tests/solvers/sgd/test_centred.py",
        ("steps of scaled outputs over alpha once", "(self.scale / scale) ** 2)", "(self.scale / scale))"),
    ),
    *mutations(
        "solvers/objective/losses/square.py",
        LOSSES,
        (
            "the conjugate without the constant of the risk",
            "0.5 * gradient @ (gradient / self.weights)) - 0.5 * self.constant",
            "0.5 * gradient @ (gradient / self.weights))",
        ),
        ("the chord from the wrong end", "2.0 * self.targets - start)", "2.0 * self.targets + start)"),
        ("twice the divergence", "return 0.5 * float(self.weights @ move**2)", "return float(self.weights @ move**2)"),
    ),
    *mutations(
        "solvers/objective/losses/pointwise.py",
        LOSSES,
        (
            "the slope of a chord with the weights of its curvature",
            "np.tensordot(CHORD_WEIGHTS, self.inner.slope(self._places(f), y), 1)",
            "np.tensordot(CHORD_WEIGHTS * CHORD_NODES, self.inner.slope(self._places(f), y), 1)",
        ),
        (
            "a curvature by one-sided steps of half the length",
            "(pointwise.slope(above, y) - pointwise.slope(below, y)) / (above - below)",
            "(pointwise.slope(above, y) - pointwise.slope(f, y)) / (above - below)",
        ),
    ),
    *mutations(
        "solvers/objective/losses/logistic.py",
        LOSSES,
        (
            "the entropy of one class in the conjugate",
            "xlogy(inside, inside) + xlogy(1.0 - inside, 1.0 - inside), np.inf",
            "xlogy(inside, inside), np.inf",
        ),
    ),
    *mutations(
        "solvers/objective/losses/interface.py",
        LOSSES,
        ("the least value of L for that of 2 L", "return 0.0 - 2.0 * loss.conjugate(", "return 0.0 - loss.conjugate("),
        (
            "a quadratic model whose slope has the wrong sign",
            "hessian @ outputs - self.gradient(outputs)",
            "hessian @ outputs + self.gradient(outputs)",
        ),
    ),
    *mutations(
        "solvers/objective/coefficient.py",
        "tests/mfpde/problem/reduction/test_reduction.py",
        (
            "the slope along a coefficient multiplied by it",
            "full[:, self.axis] = value",
            "full[:, self.axis] = coefficient * value",
        ),
        (
            "outputs without the coefficient",
            "self.inner.outputs(rest, masses * coefficient)",
            "self.inner.outputs(rest, masses)",
        ),
    ),
    *mutations(
        "solvers/objective/compression.py",
        "tests/solvers/objective",
        (
            "one feature too few",
            "rank = int(below[0]) if below.size else",
            "rank = max(int(below[0]) - 1, 0) if below.size else",
        ),
        (
            "the error of a compression is 0",
            "return spanned @ turned[:, :rank], max(float(errors[rank]), 0.0)",
            "return spanned @ turned[:, :rank], 0.0",
        ),
    ),
    *mutations(
        "solvers/objective/representation.py",
        "tests/solvers/objective",
        ("the error of the table is left out", "error += 2.0 * float(table.value_error) * scale**2", "pass"),
        (
            "the error of the source is left out of a risk",
            "+ self._source_gap(law)",
            "",
        ),
    ),
    *mutations(
        "solvers/characteristics/characteristics.py",
        CHARACTERISTICS,
        (
            "births at a rate that is one percent less",
            "grown(masses, -self.flow.rate * places",
            "grown(masses, -0.99 * self.flow.rate * places",
        ),
        (
            "the ridge left out of the velocity",
            "pull = self._confinement.gradient(inside) if self._confinement.acts else gradient[:0]",
            "pull = gradient[:0]",
        ),
        (
            "half of what a step dissipates",
            "return weights, 2.0 * float(partial.sum())",
            "return weights, float(partial.sum())",
        ),
        (
            "the factor 2 of the dissipation",
            "return 2.0 * float((weights @ moved) @ self._inertia)",
            "return float((weights @ moved) @ self._inertia)",
        ),
        (
            "what is dissipated beyond a wall stays",
            " - self._beyond_walls(solver, moved, crossed, weights)",
            "",
        ),
        ("atoms that leave a wall late are let go", "if not self._ends.any():", "if True:"),
    ),
    *mutations(
        "solvers/characteristics/outputs.py",
        "tests/solvers/characteristics",
        (
            "outputs whose mass is not divided by",
            "self.mass * changes[..., 1:] - changes[..., :1] * outputs",
            "self.mass * changes[..., 1:]",
        ),
        ("nothing left at the limit on atoms", "== 0 or self._room(lower, upper) > 0:", "== 0 or True:"),
    ),
    *mutations(
        "solvers/characteristics/panels.py",
        "tests/solvers/characteristics",
        (
            "halved panels with the masses of whole ones",
            "masses[chosen] = rule.parts[half].reshape(shape) * child",
            "masses[chosen] = rule.weights.reshape(shape) * child",
        ),
        (
            "a tail of one coefficient, which vanishes for even maps",
            "last = rule.coefficients[-2:]",
            "last = rule.coefficients[-1:]",
        ),
    ),
    *mutations(
        "solvers/characteristics/rules.py",
        "tests/solvers/characteristics/test_rules.py",
        ("a companion on the nodes of the run", "diagonal[-1] += turn", "diagonal[-1] += 0.0"),
        (
            "the rule of the whole line on a half of it",
            "places, own = _Polynomials.of(density, *ends, self.order)",
            "places, own = _Polynomials.of(density, low, high, self.order)",
        ),
    ),
    *mutations(
        "solvers/characteristics/crossings.py",
        CHARACTERISTICS,
        (
            "the time beyond a wall counted twice",
            "return np.asarray(half * reach * (weights @ velocity**2))",
            "return np.asarray(2.0 * half * reach * (weights @ velocity**2))",
        ),
    ),
)
