"""Commands that ask a question of a problem or of results."""
