"""Units on Gaussian inputs of which the target sees projections."""
