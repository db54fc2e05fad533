"""One-pass stochastic gradient descent of a finite network. This folder and networks know of networks."""
