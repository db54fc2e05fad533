"""Commands that write or draw what is known."""
