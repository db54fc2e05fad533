"""ending: where a run ends, and the nearest stationary law."""
