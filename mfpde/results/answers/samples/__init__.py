"""Answers about the samples of a data set."""

from mfpde.results.answers.samples import margin

__all__ = ["margin"]
