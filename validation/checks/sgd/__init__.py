"""Stochastic gradient descent beside the equation, and its statistics."""
