"""Minimising movements (JKO)."""
