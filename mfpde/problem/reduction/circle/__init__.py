"""A unit averaged over inputs on the unit circle of the plane."""
