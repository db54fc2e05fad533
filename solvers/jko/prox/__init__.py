"""Proximal maps of tabulated potentials."""
