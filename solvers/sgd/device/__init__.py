"""Ensembles of replicas of stochastic gradient descent on a graphics processor."""
