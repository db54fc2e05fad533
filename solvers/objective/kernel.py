"""The square loss of atoms by the kernel U itself, where features of any number leave too much of it.

Outputs are the law: rows (mass, position). With y = sum_k c_k sigma_*(.; z_k) and the signed measure mu of the atoms
less the teachers,

    2 L = ∬U dmu dmu,    Psi(z) = ∫U(z, .) dmu,

so that the rows of mu stand for the gradient of the loss. It serves whoever moves atoms: nothing here has a rank.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from ..arrays import Array
from .losses.interface import Loss


class Kernel(Protocol):
    """U of two positions."""

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        ...

    def potential(self, points: Array, others: Array, masses: Array) -> tuple[Array, Array]:
        """sum_j masses_j U(z_i, z_j), shape (n,), and its gradient in z_i, shape (n, D)."""
        ...


@dataclass(frozen=True)
class KernelFeatures:
    """A feature map whose outputs are the law itself."""

    kernel: Kernel

    @property
    def dimension(self) -> int:
        return self.kernel.dimension

    @property
    def rank(self) -> int:
        return 0

    def values(self, points: Array) -> Array:
        raise NotImplementedError("a kernel has no features: ask for another form")

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self.values(points), points

    def outputs(self, points: Array, masses: Array) -> Array:
        """Rows (mass, position), shape (n, 1 + D)."""
        return np.column_stack([masses, points])

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        return self.kernel.potential(points, coefficients[:, 1:], coefficients[:, 0])


@dataclass(frozen=True)
class KernelLoss(Loss):
    """L at rows of atoms.

    Attributes:
        kernel: U.
        target: rows of the teachers, shape (K, 1 + D).
        constant: the part of the risk that no law changes.
    """

    kernel: Kernel
    target: Array
    constant: float = 0.0

    @property
    def quadratic(self) -> bool:
        return True

    @property
    def metric(self) -> Array:
        return np.ones(0)

    @property
    def scale(self) -> float:
        return self.risk(np.zeros((0, self.target.shape[1])))

    def value(self, outputs: Array) -> float:
        return 0.5 * self.risk(outputs)

    def risk(self, outputs: Array) -> float:
        rows = self.gradient(outputs)
        values = self.kernel.potential(rows[:, 1:], rows[:, 1:], rows[:, 0])[0]
        return self.constant + max(float(rows[:, 0] @ values), 0.0)

    def gradient(self, outputs: Array) -> Array:
        """Rows of the atoms less the teachers."""
        return np.vstack([outputs, self.target * np.append(-1.0, np.ones(self.target.shape[1] - 1))])

    def _unknown(self, *_: Any) -> Any:
        raise NotImplementedError("a kernel has no outputs to optimise over: ask for features")

    hessian: ClassVar[Any] = _unknown
    conjugate: ClassVar[Any] = _unknown
    conjugate_gradient: ClassVar[Any] = _unknown
    chord: ClassVar[Any] = _unknown
    through: ClassVar[Any] = _unknown
    rounding: ClassVar[Any] = _unknown

    def shifted(self, origin: Array) -> KernelLoss:
        return replace(self, target=np.vstack([self.target, origin]))
