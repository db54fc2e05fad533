"""Finitely many neurons with births and deaths."""
