"""bounds: how the gap between the equation and SGD depends on neurons, step and dimension."""
