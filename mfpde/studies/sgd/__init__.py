"""sgd: replicas of one-pass stochastic gradient descent."""
