"""The schemes that a user names: what each needs, can do and refuses, and how it is made ready to run."""
