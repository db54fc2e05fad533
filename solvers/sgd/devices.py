"""What makes the steps of replicas, by name: one module each with a kind of ensemble, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ensemble import Ensemble

DEVICES: dict[str, str] = {"cpu": ".ensemble:Ensemble", "cuda": ".device.ensemble:DeviceEnsemble"}
"""Where the ensemble of each stands."""


def ensembles_on(device: str) -> type[Ensemble]:
    """The kind of ensemble of a device, which says how many replicas it takes, what it refuses, and who may help."""
    module, name = DEVICES[device].split(":")
    kind: type[Ensemble] = getattr(import_module(module, __package__), name)
    return kind
