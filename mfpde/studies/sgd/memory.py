"""What the arrays of a run of SGD need of the memory, known before it begins."""

from __future__ import annotations

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.shell.memory import PROCESS, shortage
from mfpde.shell.workers import Workers, number_of
from mfpde.solvers.sgd.samplers import GaussianBlocks, sampler_of
from mfpde.solvers.threads.processors import processors

STATES = 4
"""Copies of the weights that a process makes steps and takes risks with."""
RECORDS = 3
"""Copies of what is recorded while it is written."""
UNITS = 300.0
"""Numbers of a neuron that the exact risk holds at most: the expansions of its unit."""
PAIRS, MOST_PAIRS = 8.0, 2**20
"""Numbers per pair of neurons that the exact risk and its gradient hold, if all pairs are listed (in few dimensions);
pairs that a thread holds at most for the risk (a block of 1024 neurons and another)."""


def memory_problems(
    configuration: Experiment,
    problem: Problem,
    workers: Workers | None = None,
    gradients: int = 0,
    kept: bool = True,
    neurons_key: str = "sgd.neurons",
) -> list[str]:
    """The refusal of a run whose arrays do not fit into memory.

    Args:
        workers: processes that hold a replica each, as `number_of` takes them; None for one per processor.
        gradients: processes that take exact gradients at once.
        kept: whether all replicas are, with their neurons at all save times, or only their risks.
        neurons_key: what the user calls N.
    """
    options, times = configuration.sgd, len(configuration.time.save_times)
    count = number_of(workers, options.replicas)
    running = count if isinstance(count, int) else 0
    sampler = sampler_of(problem.data.sampler())
    exact, neurons = isinstance(sampler, GaussianBlocks), options.neurons
    weights = 8.0 * neurons * _held(sampler, neurons if options.state == "gram" else None)
    holding = processors() if running == 1 else running
    risk = UNITS * neurons * running + PAIRS * min(neurons**2, MOST_PAIRS) * holding
    replicas = options.replicas if kept else 0
    recorded = 8.0 * replicas * times * neurons * problem.geometry.dimension
    fewer = f"fewer {neurons_key}" + (" or --workers" if running > 1 else "")
    return shortage(
        {
            "the pairs of neurons": (8.0 * max(risk, PAIRS * neurons**2 * gradients) * exact, neurons_key, fewer),
            "the weights": (
                weights * (replicas + STATES * running),
                neurons_key,
                f"{fewer}, or sgd.replicas",
            ),
            "the neurons at all save times": (RECORDS * recorded, "time.save", "fewer times, or fewer sgd.replicas"),
            "the processes": (PROCESS * (running + (running > 1)), "--workers", "fewer"),
        }
    )


def _held(sampler: object, neurons: int | None) -> float:
    """Coordinates of a state: those of x, or in blocks of more than as many neurons as these."""
    if isinstance(sampler, GaussianBlocks):
        return float(sum(p if neurons is None else min(p, neurons) for p in sampler.dimensions))
    return float(getattr(sampler, "dimension", 1))
