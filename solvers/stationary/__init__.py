"""Stationary laws: search, stability, continuation."""
