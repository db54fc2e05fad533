"""Characteristics from quadrature labels."""
