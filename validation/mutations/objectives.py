"""Mistakes in objectives and in what is asked of them: losses, optima, stationary laws, characteristics, networks."""

from __future__ import annotations

from validation.mutations.mutation import mutations

LOSSES = "tests/solvers/objective/losses"
OPTIMUM = "tests/solvers/optimum"
GIBBS = "tests/mfpde/studies/optimum/test_optimum.py"
STATIONARY = "tests/solvers/stationary"
CHARACTERISTICS = "tests/solvers/characteristics tests/solvers/flow tests/solvers/space/test_flows_on_axes.py"
SGD = "tests/solvers/sgd/test_engine.py"

MUTATIONS = (
    *mutations(
        "solvers/objective/tangent.py",
        "tests/mfpde/studies/kernel",
        ("errors of a kernel decay at half the rate", "-2.0 * np.outer(", "-1.0 * np.outer("),
        ("a regression forgets its ridge", "1.0 / (self.eigenvalues + strength)", "1.0 / self.eigenvalues"),
        ("what no row reaches is learned", "max(float(error @ error) - float(along.sum()), 0.0)", "0.0"),
    ),
    *mutations(
        "solvers/sgd/sources/centred.py",
        "tests/solvers/sgd/test_centred.py",
        ("the first output is added", "y[part] += self._start", "y[part] -= self._start"),
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
        "solvers/optimum/optimum.py",
        OPTIMUM,
        ("the factor 2 of the certificate", "energy - 2.0 * (mean", "energy - (mean"),
        (
            "the ridge left out of the bound of curvature",
            "self.inner.second_derivatives(lower, upper) + self.confinement.bends(lower, upper)",
            "self.inner.second_derivatives(lower, upper)",
        ),
        (
            "a point below the mean is not sent back to the search",
            "bound.point if bound.value < mean - 0.5 * accuracy else None",
            "None",
        ),
    ),
    *mutations(
        "solvers/optimum/bound.py",
        OPTIMUM,
        (
            "a cell sags by h^2 C / 16",
            "np.maximum(curvature.second_derivatives(self.lower, self.upper), 0.0) / 8.0",
            "np.maximum(curvature.second_derivatives(self.lower, self.upper), 0.0) / 16.0",
        ),
        (
            "cells that were never settled are forgotten",
            "found = min(settled, left, least)",
            "found = min(settled, least)",
        ),
        ("what is left open counts as tight", "evaluations, found >= least - accuracy)", "evaluations, True)"),
    ),
    *mutations(
        "solvers/optimum/gibbs.py",
        GIBBS,
        (
            "the primal value for the certificate",
            "return Gibbs(masses, outputs, g, half, value,",
            "return Gibbs(masses, outputs, g, half, half,",
        ),
        (
            "the ridge left out of the free energy",
            "half = loss.value(outputs) + float(masses @ confinement) + entropy",
            "half = loss.value(outputs) + entropy",
        ),
        (
            "the law at beta for 2 beta",
            "loss, beta2 = objective.loss, 2.0 * inverse_temperature",
            "loss, beta2 = objective.loss, inverse_temperature",
        ),
    ),
    *mutations(
        "solvers/optimum/weights.py",
        OPTIMUM,
        ("the ridge's costs of atoms twice", "linear = values @ pull - 0.5 * costs", "linear = values @ pull - costs"),
        ("weights that left the simplex stay out of it for ever", "free[entering] = True", "break"),
    ),
    *mutations(
        "solvers/optimum/newton.py",
        OPTIMUM,
        (
            "the free energy of atoms without the ridge",
            "return objective.energy(self.outputs(objective, law)) + self.confinement.energy(law.points, law.weights)",
            "return objective.energy(self.outputs(objective, law))",
        ),
        (
            "Hessians by one-sided differences of the double length",
            "(gradients[:count] - gradients[count:]) / distance",
            "2.0 * (gradients[:count] - gradients[count:]) / distance",
            "they steer Newton's method and enter no number: its fixed points stay, and its steps are checked by F",
        ),
    ),
    *mutations(
        "solvers/stationary/landscape.py",
        STATIONARY,
        (
            "a difference formula of order 8 with a weight of order 6",
            "-1.0 / 5.0, 4.0 / 105.0",
            "-3.0 / 20.0, 4.0 / 105.0",
        ),
        (
            "the potential continued to negative radii with the wrong slope",
            "signs * gradient + self.confinement.gradient(points)",
            "gradient + self.confinement.gradient(points)",
        ),
        (
            "the coupling of drift modes without the masses",
            "moves = np.repeat(roots, dimension)[:, None] * np",
            "moves = np",
        ),
        (
            "births without their rate in the linearised flow",
            "grown = np.sqrt(rate) * roots[:, None] * shifts",
            "grown = roots[:, None] * shifts",
        ),
        (
            "one-sided slopes of the first order",
            "np.asarray(sum(weight * slopes(reach) for reach, weight in INWARD))",
            "np.asarray(slopes(INWARD[0][0]))",
        ),
        (
            "the ridge left out of the free energy",
            "return self.energy(self.outputs(law)) + self.confinement.energy(law.points, law.weights)",
            "return self.energy(self.outputs(law))",
        ),
    ),
    *mutations(
        "solvers/stationary/branches.py",
        STATIONARY + " tests/mfpde/studies/stationary",
        (
            "a split atom whose centre of mass moves",
            "place - share * reach * direction",
            "place - (1.0 - share) * reach * direction",
        ),
    ),
    *mutations(
        "solvers/stationary/continuation.py",
        "tests/solvers/stationary/test_continuation.py",
        (
            "a corrector that keeps the parameter",
            "residual = np.append(equations.residual(state), normal @ (state - guess))",
            "residual = np.append(equations.residual(state), 0.5 * normal @ (state - guess) + 1e-3)",
        ),
        (
            "a closed curve that is walked through again",
            "if len(points) > 10 and _returns(start, now, taken):",
            "if False:",
        ),
    ),
    *mutations(
        "solvers/stationary/search.py",
        STATIONARY,
        (
            "the bound of a cell's tail left out",
            "rest = np.abs(flat[:, 1:]).sum(axis=1) + error",
            "rest = 0.01 * np.abs(flat[:, 1:]).sum(axis=1)",
        ),
        ("cells that are not settled are forgotten", "unsettled += list(rest[small])", "pass"),
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
            "velocity = -(gradient + self._confinement.gradient(inside))",
            "velocity = -gradient",
        ),
        (
            "the factor 2 of the dissipation",
            "return 2.0 * float((weights @ moved) @ self._inertia)",
            "return float((weights @ moved) @ self._inertia)",
        ),
        (
            "what is dissipated beyond a wall stays",
            "dissipated -= 2.0 * float(weights[rows // shape[1]] * self._inertia[rows % shape[1]] @ excess)",
            "pass",
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
    *mutations(
        "solvers/networks/gradient.py",
        "tests/solvers/networks/test_gradient.py",
        ("Stein's second term of E y left out", "- label * pairs.mean(2)[:, None] * scaled", ""),
        (
            "classes with their labels exchanged",
            "zip((1.0, -1.0), self.data.coordinate_scales, strict=True)",
            "zip((-1.0, 1.0), self.data.coordinate_scales, strict=True)",
        ),
    ),
    *mutations(
        "solvers/networks/population.py",
        "tests/solvers/sgd/test_given.py",
        (
            "the standard error without its square root of the count",
            "float(losses.std(ddof=1)) / math.sqrt(self.count)",
            "float(losses.std(ddof=1)) / self.count",
        ),
    ),
    *mutations(
        "solvers/networks/coupled.py",
        "tests/solvers/networks/test_coupled.py",
        (
            "extrapolation that forgets the stride",
            "(drift.pack(coarse) - ground) / stride",
            "(drift.pack(coarse) - ground)",
        ),
        (
            "the ridge left out of the particle dynamics",
            " - self.pack(SgdState(0, pull[:, :d], pull[:, d], pull[:, d + 1]))",
            "",
        ),
    ),
    *mutations(
        "solvers/sgd/engine.py",
        SGD,
        (
            "step sizes at the beginning of steps",
            "np.arange(first + 1, stop + 1) * self.step_size",
            "np.arange(first, stop) * self.step_size + 1e-9",
        ),
        (
            "noise of variance eps / (2 beta)",
            "noise = float(self.inverse_temperature**-0.5)",
            "noise = float((2.0 * self.inverse_temperature) ** -0.5)",
        ),
    ),
    *mutations(
        "solvers/sgd/kernels.py",
        SGD,
        ("shrinkage of the step before", "product *= 1.0 - rate * gains[0] * decay[0]\n", "product *= 1.0\n"),
        ("the loop step by step without the ridge", "own = shrink", "own = 1.0"),
    ),
    *mutations(
        "solvers/sgd/draw.py",
        SGD,
        (
            "the scales of the classes exchanged in blocks",
            "x[row, p] = first[r * half + p] * scales[label, p]",
            "x[row, p] = first[r * half + p] * scales[1 - label, p]",
        ),
    ),
    *mutations(
        "solvers/sgd/samplers.py",
        "tests/solvers/sgd/test_given.py",
        (
            "the same draws for every replica",
            "np.random.Philox(key=[seed, replica], counter=[0, 0, block, stream])",
            "np.random.Philox(key=[seed, 0], counter=[0, 0, block, stream])",
        ),
        (
            "the same draws for every block",
            "self.given.draw(DRAWN_BLOCK, _generator(DRAWS, block, seed, replica))",
            "self.given.draw(DRAWN_BLOCK, _generator(DRAWS, 0, seed, replica))",
        ),
    ),
)
"""Of each: what it breaks, the place, what it becomes."""
