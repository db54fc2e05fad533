"""The same commands with two versions of mfpde, and whether they say the same; see `__main__`."""
