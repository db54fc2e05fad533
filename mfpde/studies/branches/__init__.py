"""branches: stationary laws followed in a key."""
