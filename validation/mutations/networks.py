"""Mistakes in finite networks and stochastic gradient descent."""

from __future__ import annotations

from validation.mutations.mutation import mutations

SGD = "tests/solvers/sgd/test_engine.py"

MUTATIONS = (
    *mutations(
        "solvers/sgd/sources/centred.py",
        "tests/solvers/sgd/test_centred.py",
        ("the first output is added", "y[part] += self._start", "y[part] -= self._start"),
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
        "solvers/sgd/fast/picks.py",
        "tests/solvers/sgd/fast/test_picks.py",
        (
            "gates of the block before stay",
            "builder.and_(lanes.load(own_picks, place), kept)",
            "lanes.load(own_picks, place)",
        ),
        (
            "the last coordinates of samples count twice",
            "theirs = [builder.select(new, each, lanes.zero)",
            "theirs = [builder.select(new, each, each)",
        ),
        ("weights of the block before stay", "product, weights[:] = 1.0, 0.0", "product = 1.0"),
        ("a mobility is left out of what a sample weighs", "slope * steps.gains[0], steps", "slope, steps"),
    ),
    *mutations(
        "solvers/sgd/draw.py",
        SGD,
        (
            "the scales of the classes exchanged in blocks",
            "label = done + r, 1 if y[done + r] < 0.0 else 0",
            "label = done + r, 0 if y[done + r] < 0.0 else 1",
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
