"""Activations: values, bounds, Gaussian expansions, compiled form; one file a kind. Used by networks and sgd."""
