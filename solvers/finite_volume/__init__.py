"""Finite volumes on a tensor grid."""
