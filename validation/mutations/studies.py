"""Mistakes in schemes as they are made ready, in studies, and in their answers."""

from __future__ import annotations

from validation.mutations.mutation import mutations

RUN = "tests/mfpde/studies/test_solve.py tests/mfpde/studies/run"
REPLICAS = "tests/mfpde/studies/sgd"
BOUNDS = "tests/mfpde/studies/bounds"
COMMANDS = "tests/mfpde/configuration tests/mfpde/commands"

MUTATIONS = (
    *mutations(
        "mfpde/studies/kernel/limit.py",
        "tests/mfpde/studies/kernel",
        ("what atoms leave of the kernel forgotten", " + left.of(risk, times, first)", ""),
    ),
    *mutations(
        "mfpde/schemes/choice.py",
        "tests/mfpde/configuration/test_configuration.py tests/mfpde/studies/test_convergence.py",
        ("the least trusted oracle first", "key=lambda kind: -kind.oracle)", "key=lambda kind: kind.oracle)"),
        (
            "a scheme by default whatever stands against it",
            "key=lambda name: tuple(map(len, against[name]))",
            "key=lambda name: 0",
        ),
    ),
    *mutations(
        "mfpde/schemes/guide.py",
        "tests/mfpde/schemes tests/mfpde/problem/test_own_axes.py",
        (
            "the guide keeps halved panels apart from the first ones",
            "if len(laws[-1].weights) > len(laws[0].weights):",
            "if False:",
        ),
    ),
    *mutations(
        "mfpde/schemes/kinds/particles.py",
        "tests/mfpde/problem/laws/test_gaussian_bumps.py tests/mfpde/schemes tests/solvers/particles",
        ("populations beside a run from the stream of the first of them", "run(few, 1 + stream)", "run(few, 1)"),
        ("a population from the stream of the run that it is held against", "run(few, 1 + stream)", "run(few, stream)"),
    ),
    *mutations(
        "mfpde/schemes/grids.py",
        "tests/mfpde/schemes tests/mfpde/problem/laws tests/mfpde/studies/run/test_energy.py",
        (
            "companions on the same cells, whose difference is 0",
            "coarser = graded_grid(visited, problem.geometry, cells)",
            "coarser = graded_grid(visited, problem.geometry, counts)",
        ),
        ("what lies past the ends of a grid changes nothing", "return abs(risks[0] - risks[1])", "return 0.0"),
    ),
    *mutations(
        "mfpde/studies/run/run.py",
        RUN,
        (
            "the error of the risk is never seen",
            "gaps = np.maximum(gaps, share * np.abs(told - self._estimated(other)))",
            "pass",
        ),
        ("the seconds of a resumed part", "self.earlier_seconds = result.wall_seconds", "pass"),
        ("the time of the law before for the one that came to rest", "flow_times[-1] = self._audit[-1][0]", "pass"),
        (
            "stationary where D is above the tolerance",
            "self._audit[-1][-1] / self._slower <= self._level",
            "self._audit[-1][-1] / self._slower >= self._level",
        ),
        ("notes of the pair lost", 'self._attributes["notes"] = "\\n".join(pair.notes)', "pass"),
    ),
    *mutations(
        "mfpde/studies/run/trajectory.py",
        RUN,
        (
            "dissipation per flow time for that per time",
            "observation.dissipation * rate if",
            "observation.dissipation if",
        ),
        (
            "the balance with the wrong sign of the dissipated energy",
            "initial_energy + observation.dissipated)",
            "initial_energy - observation.dissipated)",
        ),
        (
            "an error estimate that looks at its own time only",
            "near = (times >= EARLIEST * time) & (times <= 2.0 * time)",
            "near = times == time",
        ),
        (
            "the floor of the errors left out",
            "np.maximum(floors, gaps[near].max(axis=0, initial=0.0))",
            "gaps[near].max(axis=0, initial=0.0)",
        ),
    ),
    *mutations(
        "mfpde/studies/run/campaign.py",
        RUN + " " + REPLICAS,
        (
            "the seconds of earlier parts",
            "return self.earlier_seconds + monotonic() - self.started",
            "return monotonic() - self.started",
        ),
        (
            "a failure that is called success",
            'status, message = "failed", self.failure(error)',
            'status, message = "success", self.failure(error)',
        ),
        (
            "an interruption without a word",
            'status, message = "interrupted", self.interruption()',
            'status, message = "interrupted", ""',
        ),
    ),
    *mutations(
        "mfpde/studies/run/energy.py",
        RUN,
        (
            "a balance that is never off",
            "off = known & ~(result.balance <= allowed)",
            "off = known & (result.balance < 0.0)",
        ),
    ),
    *mutations(
        "mfpde/studies/run/continuation.py",
        RUN,
        ("a run resumed from another configuration", "    if keys:\n", "    if False:\n"),
    ),
    *mutations(
        "mfpde/studies/sgd/networks.py",
        REPLICAS,
        ("the stream of the first replica for all", "        replica,\n        gram=", "        0,\n        gram="),
        (
            "coefficients and offsets exchanged",
            'heads = {"a": state.a, "b": state.b}',
            'heads = {"a": state.b, "b": state.a}',
        ),
    ),
    *mutations(
        "mfpde/studies/sgd/replicas.py",
        REPLICAS,
        ("the seconds of a resumed part", "self.earlier_seconds = result.wall_seconds", "pass"),
        (
            "the standard error of a measured risk",
            "self.risk_error[replica, index] = snapshot.error",
            "self.risk_error[replica, index] = 0.0",
        ),
    ),
    *mutations(
        "mfpde/studies/sgd/refusals.py",
        REPLICAS,
        (
            "save times at the step before",
            "round(time / configuration.sgd.step_size)",
            "int(time / configuration.sgd.step_size)",
        ),
    ),
    *mutations(
        "mfpde/studies/optimum/gibbs.py",
        "tests/mfpde/studies/optimum/test_optimum.py",
        (
            "the primal value for the lower bound",
            "lower_bound=2.0 * min(law.half_lower_bound, law.half_free_energy)",
            "lower_bound=2.0 * law.half_free_energy",
        ),
        (
            "the surfaces of spheres with the wrong sign",
            "free_energy=2.0 * law.half_free_energy - surfaces / beta",
            "free_energy=2.0 * law.half_free_energy + surfaces / beta",
        ),
    ),
    *mutations(
        "mfpde/studies/optimum/atoms.py",
        "tests/mfpde/studies/optimum/test_atoms.py tests/mfpde/problem/reduction/test_block_pairs.py",
        (
            "the error of the features left out of the bound",
            "max(found.lower_bound - reduced.error, least",
            "max(found.lower_bound, least",
        ),
        ("Aitken's rule without its denominator", "steps[1:] * ratios / (1.0 - ratios)", "steps[1:] * ratios"),
    ),
    *mutations(
        "mfpde/studies/distance.py",
        "tests/mfpde/studies/test_distance.py",
        (
            "the integral of squares without the mixed term",
            "(before**2 + before * after + after**2) / 3.0",
            "(before**2 + after**2) / 2.0",
        ),
        ("the size of cells left out of the error", ".sum(axis=1) / 12.0", ".sum(axis=1) * 0.0"),
    ),
    *mutations(
        "mfpde/studies/bounds/fits.py",
        BOUNDS,
        ("Bessel's correction of fluctuations", "scale = replicas / (replicas - 1.0)", "scale = 1.0"),
        ("Bessel's correction of intervals", "student * np.sqrt(self.replicas / (self.replicas - 1.0))", "student"),
        (
            "the mean of what was not centred",
            "variance = shares @ (centred * centred) - (shares @ centred) ** 2",
            "variance = shares @ (centred * centred)",
        ),
    ),
    *mutations(
        "mfpde/studies/bounds/fits.py",
        "tests/mfpde/studies/bounds/test_bounds.py::test_intervals_of_standard_deviations_lie_above_zero",
        ("intervals of standard deviations widened by differences", "if not signed and value > 0.0:", "if False:"),
    ),
    *mutations(
        "mfpde/results/answers/compare.py",
        "tests/mfpde/studies/compare",
        (
            "the end of the coupled dynamics left out of that of the comparison",
            'last = "success" if self.coupled is None else str(self.coupled["status"])',
            'last = "success"',
        ),
    ),
    *mutations(
        "mfpde/studies/sgd/refusals.py",
        "tests/mfpde/studies/sgd/test_replicas.py",
        ("a step up to twice the end", "if not (step <= time.end):", "if not (step <= 2.0 * time.end):"),
        ("merged save times without a word", "if first[0] == second[0]]", "if first[0] > second[0]]"),
    ),
    *mutations(
        "mfpde/studies/bounds/design.py",
        BOUNDS,
        ("a step size that does not fall with d", "step * (self.base_dim / dim), dim)", "step, dim)"),
    ),
    *mutations(
        "mfpde/studies/compare/fluctuations.py",
        "tests/mfpde/studies/compare",
        (
            "fluctuations without the mixed term",
            "squared - 2.0 * mixed + self._square(outputs)",
            "squared - self._square(outputs)",
        ),
    ),
    *mutations(
        "mfpde/studies/convergence.py",
        "tests/mfpde/studies/test_convergence.py",
        ("orders as if every level halved", "/ abs(math.log(resolution / coarser.resolution))", "/ math.log(2.0)"),
    ),
    *mutations(
        "mfpde/studies/stationary/point.py",
        "tests/mfpde/studies/stationary",
        (
            "the gap to the optimum in the risk",
            "gap = excess(energy, self.optimum.free_energy)",
            "gap = excess(self.landscape.risk(outputs), self.optimum.risk)",
        ),
    ),
    *mutations(
        "mfpde/schemes/rules.py",
        COMMANDS,
        ("noise without anything that confines it", "and loose:", "and False:"),
    ),
)
