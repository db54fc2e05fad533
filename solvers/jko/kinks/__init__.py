"""Minimising movements whose potential has kinks, on atoms."""
