"""rates: norms of data and of networks, and the rates at which finite networks approximate."""
