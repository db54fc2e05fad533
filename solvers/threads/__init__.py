"""Compiled kernels on several threads."""
