"""A scheme of one's own: explicit Euler steps of atoms drawn from rho_0, and of the same atoms with twice the step.

mfpde solve anisotropic-relu --use docs/examples/own_scheme.py --scheme euler
"""
