"""Functions on the sphere S^(d-1)(sqrt d) by their spherical harmonics: units, targets, and sums over pairs."""
