"""Data laws, one file each."""
