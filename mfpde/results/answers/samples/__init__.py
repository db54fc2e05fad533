"""Answers about samples: margins of a data set, what is learned of the draws of a law."""

from mfpde.results.answers.samples import generalisation, margin, rates

__all__ = ["generalisation", "margin", "rates"]
