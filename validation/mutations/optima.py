"""Mistakes in optima and stationary laws."""

from __future__ import annotations

from validation.mutations.mutation import mutations

OPTIMUM = "tests/solvers/optimum"
GIBBS = "tests/mfpde/studies/optimum/test_optimum.py"
STATIONARY = "tests/solvers/stationary"

MUTATIONS = (
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
        "solvers/stationary/stability.py",
        STATIONARY,
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
)
