"""Numerical schemes for Wasserstein gradient flows of a finite feature map.

Nothing here knows of networks or data laws: a scheme sees an objective (a feature map with a convex loss), a
geometry (which coordinates are radii of isotropic blocks) and a measure.
"""

if __name__ != "mfpde.solvers":
    raise ImportError(f"this package is mfpde.solvers, not {__name__!r}: write `import mfpde.solvers`")
