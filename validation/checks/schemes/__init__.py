"""Schemes beside closed forms, integrations by SciPy, the reference, and one another."""
