"""Finite networks: the particle dynamics that a configuration declares, and their first parameters."""

from __future__ import annotations

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.network import activation_of
from mfpde.problem.problem import Problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd.engine import Sgd, SgdState


def build_sgd(configuration: Experiment, replica: int, overlap: bool = False) -> Sgd:
    """Stochastic gradient descent of one replica; `overlap` draws samples on a second processor, if one is free."""
    dynamics, options = configuration.dynamics, configuration.sgd
    samples = configuration.data.sampler()
    assert samples is not None, "refused where the law draws no samples"
    return Sgd(
        samples,
        activation_of(configuration.network.activation),
        options.step_size,
        dynamics.schedule,
        dynamics.ridge,
        dynamics.inverse_temperature,
        options.batch,
        configuration.network.coefficients == "trained",
        configuration.network.offsets == "trained",
        options.seed,
        replica,
        gram=options.state == "gram",
        precision=options.precision,
        overlap=overlap,
    )


def first_state(configuration: Experiment, problem: Problem, sgd: Sgd) -> SgdState:
    """theta^0: N independent draws of rho_0, with uniform directions in every block; another draw per replica."""
    blocks = len(configuration.data.axes())
    drawn = problem.initial_law.sample(configuration.sgd.neurons, sgd.seed, sgd.replica)
    names = problem.geometry.names
    unit = problem.unit
    heads = {head.name: head.value for head in (unit.coefficient, unit.offset)}
    values = {key: drawn[:, names.index(key)] if key in names else value for key, value in heads.items()}
    return sgd.start(sgd.embed(drawn[:, :blocks]), values["a"], values["b"])


def reduced_positions(sgd: Sgd, state: SgdState, names: tuple[str, ...]) -> Array:
    """The neurons in the reduced coordinates `names`, shape (N, D)."""
    radii = sgd.coordinates(state.neurons).radii(state.w)
    heads = {"a": state.a, "b": state.b}
    columns = [*radii.T, *(heads[name] for name in names if name in heads)]
    return np.stack(columns, axis=1)
