"""The features of a finite set of samples, and their kinks."""
