"""Mistakes in the methods that carry a law: the flow, finite volumes, minimising movements, particles, space."""

from __future__ import annotations

from validation.mutations.mutation import mutations

FLOW = "tests/solvers/flow/test_reaction.py"
VOLUMES = "tests/solvers/finite_volume"
DIFFUSION = "tests/solvers/finite_volume/test_diffusion.py"
ATOMS = "tests/solvers/jko/atoms"
CELLS = "tests/solvers/jko/grid"
PARTICLES = "tests/solvers/particles"
SPACE = "tests/solvers/space tests/solvers/finite_volume/test_diffusion.py"

MUTATIONS = (
    *mutations(
        "solvers/flow/reaction.py",
        FLOW,
        (
            "the noise's share of the variance of G with beta for 2 beta",
            "(np.log(masses) - self.log_measure[held]) / (2.0 * self.inverse_temperature)",
            "(np.log(masses) - self.log_measure[held]) / self.inverse_temperature",
        ),
        (
            "a minimising movement that leaves the reference measure out of the noise",
            "reference = reference + reaction.log_measure * (share / (1.0 + share))",
            "pass",
        ),
        (
            "the factor 2 of the energy that births dissipate",
            "dissipated = 2.0 * reaction.rate * step * (rates[0]",
            "dissipated = reaction.rate * step * (rates[0]",
        ),
        (
            "Simpson's rule with the weight 2 in the middle",
            "rates[0] + 4.0 * rates[1] + rates[2]) / 6.0",
            "rates[0] + 2.0 * rates[1] + rates[2]) / 4.0",
        ),
        ("births under the potential at the start in place of the mean one", "loss.chord(outputs))", "loss)"),
        (
            "the ridge left out of the potential of births",
            "return psi if self.confinement is None else psi + self.confinement",
            "return psi",
        ),
    ),
    *mutations(
        "solvers/flow/flow.py",
        "tests/mfpde/studies/test_solve.py tests/mfpde/studies/run/test_energy.py",
        (
            "flow time without the division by power + 1",
            "return self.scale * math.pow(time, self.power + 1.0) / (self.power + 1.0)",
            "return self.scale * math.pow(time, self.power + 1.0)",
        ),
        (
            "the rate of a schedule without its scale",
            "return self.scale * math.pow(time, self.power)\n",
            "return math.pow(time, self.power)\n",
        ),
    ),
    *mutations(
        "solvers/flow/time_loop.py",
        "tests/solvers/flow/test_time_loop.py",
        (
            "save times are passed by whole steps",
            "scheme.advance(state, min(target, state.flow_time + longest))",
            "scheme.advance(state, state.flow_time + longest)",
        ),
        ("the longest step is forgotten", "min(target, state.flow_time + longest)", "target"),
    ),
    *mutations(
        "solvers/finite_volume/kernels.py",
        "tests/solvers/finite_volume/test_finite_volume.py",
        ("the upper limit of the reconstruction", "value = value if value < 2.0 * drained else 2.0 * drained", "pass"),
        ("the lower limit of the reconstruction", "value = value if value > 0.0 else 0.0", "pass"),
        (
            "the limit on what a step may take out of a cell uphill",
            "return flux if flux > -most else -most",
            "return flux",
        ),
        (
            "the reconstruction of the cell behind the face in the downhill direction",
            "rise_b = fore * (a - b) + aft * (b - c)",
            "rise_b = fore * (a - b) + aft * (c - b)",
        ),
        ("Heun's second stage with the fluxes of a whole step", "share = (1.0 - weight) * step", "share = step"),
        (
            "fluxes into a block's first rows that are left from another block",
            "if b == start and i > 0 and row - n1 < bounds[b]:",
            "if b > start and i > 0 and row - n1 < bounds[b]:",
        ),
    ),
    *mutations(
        "solvers/finite_volume/transport.py",
        VOLUMES,
        ("dissipation of Heun's second stage left out", "- float(turned @ (2.0 * final - outputs - middle))", ""),
        (
            "the error of Heun's step never stops it",
            "errors = ((cells.distance(final, middle), self._options.tolerance),)",
            "errors = ((0.0, 1.0),)",
        ),
        (
            "D of the fluxes without its factor 2",
            "return -2.0 * float(gradient @ (after - outputs)) / LONG",
            "return -1.0 * float(gradient @ (after - outputs)) / LONG",
        ),
        (
            "noise under the potential before the step in place of the mean one",
            "self._cells.mean_gradient(outputs, after)",
            "self._cells.mean_gradient(outputs, outputs)",
        ),
    ),
    *mutations(
        "solvers/finite_volume/faces.py",
        "tests/solvers/finite_volume/test_finite_volume.py",
        ("first order everywhere", "if order == 1:", "if order >= 1:"),
        ("an origin cell as dense as a whole one", "faces[0, :1] *= 2.0", "faces[0, :1] *= 1.0"),
        ("third-order slopes for an atom", "return FROMM if", "return THIRD_ORDER if"),
    ),
    *mutations(
        "solvers/finite_volume/diffusion.py",
        DIFFUSION,
        ("the distance of points next to r = 0", "if centre[0] == edge[0] and geometry.axes[axis].even:", "if False:"),
        (
            "the surfaces of spheres left out of the entropy",
            "return self._entropies(mass)[0] - self._constant",
            "return self._entropies(mass)[0]",
        ),
    ),
    *mutations(
        "solvers/finite_volume/diffusion_kernels.py",
        "tests/solvers/finite_volume/test_birth_death.py",
        (
            "the entropy's share of G with beta for 2 beta in the dissipated energy",
            "(math.log(middle) - log_measure[k]) / twice_beta",
            "(math.log(middle) - log_measure[k]) * 2.0 / twice_beta",
        ),
    ),
    *mutations(
        "solvers/finite_volume/diffusion_kernels.py",
        DIFFUSION,
        (
            "the drift of the exchange on the wrong side",
            "upward[i, k, j] = q * up[k] * (low if drift >= 0.0 else high)",
            "upward[i, k, j] = q * up[k] * (high if drift >= 0.0 else low)",
        ),
        ("the upwind parabola from the wrong cell", "if drift < 0.0:", "if drift > 0.0:"),
        (
            "extrapolation in time without its factor 2",
            "whole[k] = 2.0 * (first[k] + second[k] - whole[k])",
            "whole[k] = first[k] + second[k] - whole[k]",
        ),
        (
            "fluxes that may drain a cell below 0",
            "amount *= share[i, k, j] if amount > 0.0 else share[i, k + 1, j]",
            "pass",
        ),
        (
            "a flux scaled by the cell that it fills",
            "amount *= share[i, k, j] if amount > 0.0 else share[i, k + 1, j]",
            "amount *= share[i, k + 1, j] if amount > 0.0 else share[i, k, j]",
        ),
        ("the smallest masses drained", "if mass[k] > LEAST_MASS else 0.0", "if mass[k] > 0.0 else 0.0"),
        ("the mean density of equal neighbours by a half", "return 1.0 - y * (0.5 - y / 6.0)", "return 0.5"),
    ),
    *mutations(
        "solvers/finite_volume/birth_death.py",
        "tests/solvers/finite_volume/test_birth_death.py",
        (
            "births over the whole step on both sides",
            "outputs[: self._cells.rank], 0.5 * step)",
            "outputs[: self._cells.rank], step)",
        ),
        (
            "the error of the splitting is 0",
            "error = float(np.abs((after - move.mass) - (before - mass)).sum())",
            "error = 0.0",
        ),
        (
            "the energy that the second half dissipates is lost",
            "before_dissipated + move.dissipated + after_dissipated",
            "before_dissipated + move.dissipated",
        ),
    ),
    *mutations(
        "solvers/finite_volume/finite_volume.py",
        VOLUMES,
        (
            "steps that raise the energy are taken",
            "if move.close and self._free_energy(move.mass, move.outputs) <= energy + allowance:",
            "if move.close:",
        ),
        (
            "the entropy with beta for 1 / beta",
            "self._diffusion.entropy(mass) / self.flow.inverse_temperature\n\n",
            "self._diffusion.entropy(mass) * self.flow.inverse_temperature\n\n",
        ),
        (
            "the energy dissipated before the step is forgotten",
            'dissipated = state.arrays["dissipated"] + move.dissipated',
            "dissipated = np.zeros(1) + move.dissipated",
        ),
    ),
    *mutations(
        "solvers/jko/grid/movement.py",
        CELLS,
        (
            "the duality gap without that of the loss",
            "gap = self.objective.loss.divergence(found.outputs - miss, miss)",
            "gap = 0.0",
        ),
        ("the energy without the entropy", "return energy + self.diffusion.entropy(mass) / self.beta", "return energy"),
        (
            "the ridge left out of the potential",
            "self.psi(self.objective.loss_gradient(outputs)) + self.confinement.reshape(self.shape)",
            "self.psi(self.objective.loss_gradient(outputs))",
        ),
    ),
    *mutations(
        "solvers/jko/grid/jko.py",
        CELLS,
        (
            "extrapolated masses, but not their dissipation",
            "dissipated = dissipated + first.dissipated + second.dissipated - whole.dissipated",
            "pass",
        ),
        (
            "births over the whole step before the transport",
            "before = self._reacted(self._reaction, old, 0.5 * step)",
            "before = self._reacted(self._reaction, old, step)",
        ),
        ("two steps over the whole length in place of half of it", "half = 0.5 * step\n", "half = step\n"),
    ),
    *mutations(
        "solvers/jko/grid/kernels.py",
        CELLS,
        (
            "the gap of a face without the half of the square",
            "gap / (2.0 * step * twice_beta)",
            "gap / (step * twice_beta)",
        ),
    ),
    *mutations(
        "solvers/jko/atoms/trial.py",
        ATOMS,
        (
            "the two-step formula with the length of a plain step",
            "inner = tau * (1.0 + ratio) / (1.0 + 2.0 * ratio)",
            "inner = tau",
        ),
        (
            "the midpoint is not carried on to the end",
            "trial.start, trial.start, trial.moved, 2.0, box",
            "trial.start, trial.start, trial.moved, 1.0, box",
        ),
        ("steps that raise the energy are taken", "trial.outputs) <= before + rounding", "trial.outputs) <= np.inf"),
        (
            "shares of a split atom exchanged",
            "shares[len(centres) :] = fractions",
            "shares[len(centres) :] = 1.0 - fractions",
        ),
    ),
    *mutations(
        "solvers/jko/atoms/jko.py",
        ATOMS,
        (
            "the duality gap of the last step in place of the largest",
            '"residual": np.maximum(state.arrays["residual"], trial.gap)',
            '"residual": np.array([trial.gap])',
        ),
        ("the error of a step is 0", "float(np.linalg.norm(miss)), float(known)", "0.0, float(known)"),
        ("atoms at the edge of the table go on", "if inner[:, mobile].any():", "if False:"),
    ),
    *mutations(
        "solvers/jko/atoms/energy.py",
        ATOMS,
        (
            "an atom held by a wall dissipates",
            "return np.where((positions <= self.table.box[0]) & (gradient > 0.0), 0.0, gradient)",
            "return gradient",
        ),
        ("births dissipate half", "found += 2.0 * self.flow.rate", "found += self.flow.rate"),
    ),
    *mutations(
        "solvers/particles/populations.py",
        PARTICLES,
        ("the bias of a population left out", "np.asarray(bias + student", "np.asarray(student"),
        ("the scatter of small populations for that of the large one", "/ math.sqrt(ratio)", "/ ratio"),
    ),
    *mutations(
        "solvers/space/distribution.py",
        "tests/solvers/space/test_distribution.py",
        ("no atom at the origin", " | ((places == 0.0) & (places[0] == 0.0))", ""),
        ("atoms that neurons share taken for nodes", "atomic |= nearest <= tie", "atomic |= nearest < 0.0"),
        ("points of unequal mass taken for equal ones", "    if weights is not None:", "    if weights is None:"),
        ("W2 by the middles of equal parts", "/ np.sqrt(3.0)", "/ np.sqrt(1e9)"),
        ("the left limits of a jump not compared", "return float(np.max(apart))", "return float(np.max(apart[1]))"),
    ),
    *mutations(
        "solvers/particles/birth_death_process.py",
        PARTICLES,
        ("deaths that do not make up for duplicates on the dead", "-growth / (1.0 - moved)", "-growth"),
        ("duplicates that do not make up for one another", "-growth * math.log1p(-moved) / max(moved, TINY)", "growth"),
        ("the same random numbers in every step", "counter=(0, purpose, count, 0)", "counter=(0, purpose, 0, 0)"),
        ("the same random numbers in every stream", "self.key = (seed, stream)", "self.key = (seed, 0)"),
        (
            "the noise of a whole step before and after it",
            "np.sqrt(0.5 * step / self.flow.inverse_temperature",
            "np.sqrt(step / self.flow.inverse_temperature",
        ),
        (
            "a Runge-Kutta method with the weights of another stage",
            "euler(0.75 * start + 0.25 * second[0], 0.25 * second[1])",
            "euler(0.25 * start + 0.75 * second[0], 0.25 * second[1])",
        ),
        (
            "a particle duplicated onto itself",
            "(np.arange(size) + 1 + random.integers(0, size - 1, size)) % size",
            "np.arange(size)",
        ),
    ),
    *mutations(
        "solvers/space/axis.py",
        SPACE + " tests/solvers/particles",
        (
            "noise on a radius without the directions across",
            "deviation**2 * random.chisquare(self.p - 1.0, len(along))",
            "0.0 * along",
        ),
        (
            "the surface of a sphere without its Gamma function",
            "math.log(2.0) + half * math.log(math.pi) - math.lgamma(half)",
            "math.log(2.0) + half * math.log(math.pi)",
        ),
        (
            "the measure of a cell without the division by p",
            "self.p * np.log(high) + np.log(part) - np.log(self.p)",
            "self.p * np.log(high) + np.log(part)",
        ),
        (
            "noise at a wall stops there in place of being reflected",
            "return self.folded(self.low + np.minimum(turned, 2.0 * width - turned))",
            "return self.folded(self.low + turned)",
        ),
        (
            "the longer way around a circle",
            "ahead > 0.5 * self.period, ahead - self.period",
            "ahead < 0.5 * self.period, ahead - self.period",
        ),
    ),
    *mutations(
        "solvers/space/grid.py",
        "tests/solvers/space tests/solvers/finite_volume/test_finite_volume.py tests/mfpde/problem/test_initial.py",
        ("the variance inside cells by width^2 / 6", "width**2 / 12.0)", "width**2 / 6.0)"),
        ("centres of graded cells in their middles", "centre[1:-1] -= _shift(np.diff(edge))", "pass"),
    ),
    *mutations(
        "solvers/space/measure.py",
        "tests/solvers/space tests/mfpde/results/test_law.py",
        (
            "outputs of signed masses without their signs",
            "self.weights if signs is None else self.weights * signs",
            "self.weights",
        ),
        (
            "the expectation of a law whose mass is not 1, not divided by it",
            "np.tensordot(self.weights, function(self.points), axes=1) / self.mass",
            "np.tensordot(self.weights, function(self.points), axes=1)",
        ),
    ),
)
"""Of each: what it breaks, the place, what it becomes."""
