"""optimum: the law of least free energy, with a proven lower bound."""
