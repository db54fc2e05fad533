"""Finite networks on Gaussian data: exact risks and gradients. This folder and sgd know of networks."""
