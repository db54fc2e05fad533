"""Kernels and the risk at the start, by quadrature."""
