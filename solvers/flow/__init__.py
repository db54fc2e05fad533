"""The flow, the time loop that every scheme shares, and birth and death."""
