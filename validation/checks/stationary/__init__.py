"""Stationary laws, their branches, and optima."""
