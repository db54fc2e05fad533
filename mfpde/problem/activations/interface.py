"""Activations by name: what the files of this folder register, and what a user adds.

A class that knows its moments derives from `mfpde.solvers.activations.activation.Activation`. Of any other, methods
`value(u)` and `slope(u)` on arrays are enough; attributes `knots` (where sigma' jumps), `bounds` and `homogeneity` are
read where they are there.
"""

from __future__ import annotations

from typing import Any

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.registry import Registry

ACTIVATIONS: Registry[Any] = Registry("activation", "mfpde.problem.activations")


def made_activation(given: Any) -> Activation:
    """The activation that is named, or made of an object with `value(u)` or of a function on arrays.

    Raises:
        KeyError: no activation has this name.
        ValueError: what is given is none: its functions do not work on arrays, or contradict one another.
    """
    from mfpde.solvers.activations.sampled import Sampled

    item = ACTIVATIONS[given]() if isinstance(given, str) else given
    if isinstance(item, Activation):
        return item
    name = str(getattr(item, "name", getattr(item, "__name__", "activation")))
    if hasattr(item, "value"):
        return Sampled.of(item, name)
    if callable(item):
        return Sampled(item, None, name)
    raise ValueError(f"activation {name!r}: no method value(u); write one, on arrays, and slope(u)")
