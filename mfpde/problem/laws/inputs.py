"""Laws of x without directions: N(0, Id_d), and the uniform one on the sphere S^(d-1)(sqrt d), alike as d grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Choice

if TYPE_CHECKING:
    from mfpde.solvers.sgd.samplers import Projections

GAUSSIAN, SPHERE = "gaussian", "sphere"


def inputs_key() -> Any:
    """Which of them."""
    text = "the law of x: N(0, Id_d), or uniform on the sphere S^(d-1)(sqrt d)"
    return key(GAUSSIAN, Choice((GAUSSIAN, SPHERE)), text)


def on_sphere(gaussian: Projections) -> Any:
    """The same function of x, its neurons and its noise, x brought to the sphere."""
    from mfpde.solvers.sgd.sources.spherical import SphericalInputs

    return SphericalInputs(gaussian, lambda x: gaussian.target(x[:, : gaussian.signed]))


def formula(spherical: bool) -> str:
    """The law of x in TeX."""
    return r"x \sim \mathrm{Unif}\, S^{d-1}(\sqrt{d})" if spherical else r"x \sim \mathcal{N}(0, I_d)"
