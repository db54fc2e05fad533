"""Samples that are no fresh draws of a law: of a finite set, or of what is left to learn."""
