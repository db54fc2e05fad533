"""Convex losses of the outputs of a feature map."""
