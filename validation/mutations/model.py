"""Mistakes on the side of the model: problems, schemes ready to run, studies, answers, configurations, the shell."""

from __future__ import annotations

from validation.mutations.mutation import mutations

LAWS = "tests/mfpde/problem/test_initial.py"
KERNELS = "tests/mfpde/problem/reduction/test_reduction.py"
RUN = "tests/mfpde/studies/test_solve.py tests/mfpde/studies/run"
REPLICAS = "tests/mfpde/studies/sgd"
BOUNDS = "tests/mfpde/studies/bounds"
COMMANDS = "tests/mfpde/configuration tests/mfpde/commands"
FILES = "tests/mfpde/results tests/mfpde/studies/test_solve.py"

MUTATIONS = (
    *mutations(
        "mfpde/problem/initial.py",
        LAWS,
        ("radii at the scale of one coordinate", "scale = kappa / float(np.sqrt(sum(dimensions)))", "scale = kappa"),
        (
            "shares of blocks of the wrong dimension",
            "SquaredShare(dimensions[j], rest[j + 1])",
            "SquaredShare(dimensions[j], rest[j])",
        ),
        ("the last block takes what is left before it", "left = left * np.cos(points[:, own + j])", "pass"),
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
        "mfpde/problem/points.py",
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
        ("the gradient across the radius by half", "turning = 2.0 * hermite / tau", "turning = hermite / tau"),
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
        "mfpde/studies/kernel/limit.py",
        "tests/mfpde/studies/kernel",
        ("what atoms leave of the kernel forgotten", " + left.of(risk, times, first)", ""),
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
            "on(graded_grid(visited, problem.geometry, cells)",
            "on(graded_grid(visited, problem.geometry, counts)",
        ),
    ),
    *mutations(
        "mfpde/studies/run/run.py",
        RUN,
        (
            "the error of the risk is never seen",
            "gaps.append(tuple(share * abs(getattr(observation, key) - getattr(other, key)) for key in ESTIMATED))",
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
            "np.maximum(floor, gaps[near].max(initial=0.0))",
            "gaps[near].max(initial=0.0)",
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
        "mfpde/keys/declaration.py",
        "tests/mfpde/configuration/test_checked.py",
        ("what is made in Python not checked", "        raise_mistakes(errors)\n        for item", "        for item"),
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
        "mfpde/results/objects.py",
        "tests/mfpde/results tests/mfpde/commands/test_main.py",
        (
            "numbers that are not finite in JSON",
            "return value if math.isfinite(value) else None",
            "return value if math.isfinite(value) else 0.0",
        ),
    ),
    *mutations(
        "mfpde/results/files/netcdf_file.py",
        FILES,
        ("a checksum without the numbers", "attributes), array.reshape(-1).data]", "attributes)]"),
    ),
    *mutations(
        "mfpde/keys/reader.py",
        COMMANDS,
        (
            "the open end of an interval accepted",
            "above = value > self.low if self.low_open else value >= self.low",
            "above = value >= self.low",
        ),
        (
            "true for a number",
            "if isinstance(value, bool) or not isinstance(value, int | float):",
            "if not isinstance(value, int | float):",
        ),
        ("save times that do not increase", "return all(low < high for", "return all(low <= high for"),
    ),
    *mutations(
        "mfpde/schemes/rules.py",
        COMMANDS,
        ("noise without anything that confines it", "and loose:", "and False:"),
    ),
    *mutations(
        "mfpde/configuration/toml.py",
        COMMANDS,
        (
            "numbers to six digits in the canonical text",
            'return "inf" if value == math.inf else repr(value)',
            'return "inf" if value == math.inf else f"{value:g}"',
        ),
    ),
    *mutations(
        "mfpde/experiment.py",
        COMMANDS,
        (
            "a last save time by rounding",
            "(*(self.end * (index / last) for index in range(last)), self.end)",
            "tuple(self.end * (index / last) for index in range(last))",
        ),
        ("pure birth and death that moves", 'transport=self.flow != "fisher-rao"', "transport=True"),
    ),
    *mutations(
        "mfpde/commands/driver.py",
        "tests/mfpde/commands",
        ("a failed run with exit code 0", '"failed": EXIT_FAILED', '"failed": EXIT_DONE'),
        (
            "bad input with the exit code of a failed run",
            "complain(*error.messages)\n        return EXIT_BAD_INPUT",
            "complain(*error.messages)\n        return EXIT_FAILED",
        ),
    ),
    *mutations(
        "mfpde/shell/files.py",
        "tests/mfpde/commands/test_hostile_input.py tests/mfpde/studies/test_solve.py",
        ("a file that is replaced without asking", "if path.exists() and not force:", "if False:"),
        (
            "a file written in place",
            "write(temporary)\n",
            "write(place)\n            temporary.write_bytes(place.read_bytes())\n",
        ),
        ("two runs that write one file", "LOCK_NB)\n        except", "LOCK_NB) if False else None\n        except"),
    ),
    *mutations(
        "mfpde/shell/tasks.py",
        "tests/mfpde/shell tests/mfpde/studies/bounds",
        (
            "tasks of a lost worker forgotten",
            "self._fresh, self._waiting = deque(self._tasks), {}",
            "self._waiting = {}",
        ),
    ),
    *mutations(
        "mfpde/shell/compiled_cache.py",
        "tests/mfpde/shell/test_compiled_cache.py",
        (
            "kernels of another content from the cache",
            "sources = [_content(os.path.join(package, path)) for path in SHARED_KERNELS]",
            "sources: list[bytes] = []",
        ),
    ),
    *mutations(
        "mfpde/shell/user_files.py",
        "tests/mfpde/schemes/test_user_scheme.py tests/docs tests/mfpde/commands",
        ("a changed file of the user's that is not read again", 'module.__dict__.get("__digest__") == digest', "True"),
    ),
)
"""Of each: what it breaks, the place, what it becomes."""
