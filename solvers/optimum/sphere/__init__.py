"""Measures on the sphere of directions of 1-homogeneous units: optima under a ridge, responses, margins, variation."""
