"""Minimising movements with noise on the cells of a grid."""
