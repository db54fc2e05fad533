"""What is learned: a data law, a unit, an initial law, reduced by symmetry to an objective on a few coordinates."""
