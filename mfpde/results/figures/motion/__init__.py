"""Figures in motion."""
