"""Figures of the samples of a data set."""
