"""One run of a scheme and its companion: what every study of the equation shares."""
