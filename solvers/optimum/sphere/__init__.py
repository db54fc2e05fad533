"""Measures on the sphere of directions of 1-homogeneous units: the largest response, margins, least variation."""
