"""Commands that compute trajectories."""
