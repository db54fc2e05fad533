"""What comes back from a study, its files and its figures."""
