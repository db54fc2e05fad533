"""mfpde: the mean-field PDE of wide two-layer networks, reduced by symmetry and solved."""
