"""stationary: the stationary laws of a box, classified."""
