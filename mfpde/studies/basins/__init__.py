"""basins: which initial value leads to which law."""
