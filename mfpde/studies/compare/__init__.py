"""compare: the equation beside stochastic gradient descent."""
