"""Exact rearrangements of SGD that cost less."""
