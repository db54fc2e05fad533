"""margin: the largest margins of the classes of a data set."""
