"""Values that the checks expect: those of the reference file, and those of a quadrature of its own."""
