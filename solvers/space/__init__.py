"""The reduced space: coordinates, boxes, grids."""
