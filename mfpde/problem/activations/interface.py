"""Activations by name: what the files of this folder register, and what a user adds.

A class that knows its moments derives from `mfpde.solvers.activations.activation.Activation`. Of any other, methods
`value(u)` and `slope(u)` on arrays are enough; attributes `knots` (where sigma' jumps), `bounds` and `homogeneity` are
read where they are there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from mfpde.solvers.activations import activation as base
from mfpde.solvers.activations.sampled import Sampled
from mfpde.solvers.registry import Registry

ACTIVATIONS: Registry[Any] = Registry("activation", "mfpde.problem.activations", required=("value",))
activation = ACTIVATIONS.register
"""The decorator `@mfpde.activation(name)` of an activation's class."""
Activation = Sampled
"""`mfpde.Activation(value=..., slope=..., name=..., knots=...)`: the activation of functions on arrays."""


def made_activation(given: Any) -> base.Activation:
    """The activation that is named, or made of an object with `value(u)` or of a function on arrays.

    Raises:
        KeyError: no activation has this name.
        ValueError: what is given is none: its functions do not work on arrays, or contradict one another.
    """
    if isinstance(given, str):
        return _registered(ACTIVATIONS[given])  # type: ignore[arg-type]
    if isinstance(given, base.Activation):
        return given
    name = str(getattr(given, "name", getattr(given, "__name__", "activation")))
    if hasattr(given, "value"):
        return Sampled.of(given, name)
    if callable(given):
        return Sampled(given, None, name)
    raise ValueError(f"activation {name!r}: no method value(u); write one, on arrays, and slope(u)")


@cache
def _registered(item: Any) -> base.Activation:
    """One activation for each class: what it has measured of itself is measured once."""
    return made_activation(item())
