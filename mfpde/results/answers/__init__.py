"""What comes back: one frozen dataclass a question."""
