"""Mistakes in data sets: their reading, features, bounds, risks told beside, and ways of drawing."""

from __future__ import annotations

from validation.mutations.mutation import mutations

SETS = "tests/mfpde/problem/laws/test_dataset.py"
FINITE = "tests/solvers/sgd/test_finite_sets.py"
DEVICE = "tests/solvers/sgd/device/test_ensemble.py"

MUTATIONS = (
    *mutations(
        "mfpde/problem/laws/dataset.py",
        SETS,
        ("weights are not normalised", "return x, y, weights / weights.sum()", "return x, y, weights"),
        ("variance of x without weights", "np.sqrt(weights @ (own - mean) ** 2)", "(own - mean).std(axis=0, ddof=1)"),
    ),
    *mutations(
        "mfpde/problem/laws/finite_data.py",
        SETS,
        (
            "an output of 0 is of the right class",
            "np.abs(outputs) <= CANCELLED, 0.0,",
            "np.abs(outputs) <= CANCELLED, 1.0,",
        ),
        ("draws with a stream of SGD", "self.draws, self.seed, DRAWN)", "self.draws, self.seed, 0)"),
        ("masses of atoms are forgotten", "len(a) * law.weights * a, b)", "2.0 * law.weights * a, b)"),
    ),
    *mutations(
        "solvers/networks/samples/outputs.py",
        f"{SETS} tests/solvers/networks/test_samples.py",
        ("sigma'' between its turns is not looked at", "inside = (low < turn) & (turn < high)", "inside = low > high"),
        ("slopes of units without their coefficient", "slopes = a[:, None] * slopes", "slopes = 1.0 * slopes"),
    ),
    *mutations(
        "solvers/sgd/sources/finite.py",
        FINITE,
        ("each sample counts alike in an epoch", "len(self.y) * self.weights[", "1.0 + 0.0 * self.weights["),
        ("every epoch has one order", "counter=[0, 0, epoch, PERMUTATIONS]", "counter=[0, 0, 0, PERMUTATIONS]"),
        (
            "draws without weights",
            "np.cumsum(self.weights), uniforms",
            "np.arange(1, len(self.y) + 1) / len(self.y), uniforms",
        ),
    ),
    *mutations(
        "solvers/sgd/engine.py",
        FINITE,
        ("a quench draws samples again", "skipped=number - begin * size", "skipped=0"),
    ),
    *mutations(
        "solvers/sgd/kernels.py",
        FINITE,
        ("factors of samples are left out", "errors[r] *= factors[row + r]", "errors[r] *= 1.0"),
    ),
    *mutations(
        "solvers/sgd/device/ensemble.py",
        DEVICE,
        ("shrinkage stays in the weights of a plan", "sgd.gains[0] * each / after", "sgd.gains[0] * each"),
        ("noise is not refused", "if math.isfinite(sgd.inverse_temperature):", "if False:"),
    ),
    *mutations(
        "solvers/objective/losses/logistic.py",
        FINITE,
        (
            "the compiled slope of the other class",
            "out[i] = y[i] / (1.0 + math.exp(",
            "out[i] = -y[i] / (1.0 + math.exp(",
        ),
    ),
    *mutations(
        "solvers/optimum/margin.py",
        SETS,
        (
            "the margin of the mean sample",
            "(coefficients[held] @ table[held]).min()",
            "(coefficients[held] @ table[held]).mean()",
        ),
    ),
    *mutations(
        "mfpde/studies/run/energy.py",
        SETS,
        ("a slow fall is rest", "tolerance * min(1.0, risk**2)", "tolerance * min(1.0, risk**0)"),
    ),
    *mutations(
        "mfpde/problem/clouds.py",
        "tests/mfpde/problem/laws/test_clouds.py",
        ("sums over clouds in place of means", "sums / counts[:, None]", "sums / 1.0"),
    ),
    *mutations(
        "mfpde/studies/kernel/closed.py",
        "tests/mfpde/studies/kernel/test_regression.py",
        ("the mean of coefficients in place of their square", "mean[head] ** 2 + spread[head] ** 2", "mean[head] ** 2"),
    ),
    *mutations(
        "solvers/networks/random_features.py",
        "tests/mfpde/studies/rates",
        ("what a feature learns is not squared", "found[-1] - row[count] ** 2", "found[-1] - abs(row[count])"),
    ),
    *mutations(
        "mfpde/studies/generalisation/runs.py",
        "tests/mfpde/studies/generalisation",
        ("every group is the first", "rows[spec.replica * spec.neurons :]", "rows[0 * spec.neurons :]"),
    ),
    *mutations(
        "mfpde/studies/generalisation/analysis.py",
        "tests/mfpde/studies/generalisation",
        ("the norm of the target without its factor", "float(2.0 * confinement", "float(1.0 * confinement"),
        ("the limit from the difference alone", "(2.0 * twice - base)", "(1.0 * twice - base)"),
    ),
)
