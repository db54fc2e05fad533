"""Answers in words and numbers alone, without a figure."""

from mfpde.results.answers.plain import check, convergence, distance, predict

__all__ = ["check", "convergence", "distance", "predict"]
