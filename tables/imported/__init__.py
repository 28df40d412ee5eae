"""Numbers of anybody's code beside a paper's printed ones: read from a file, never from or into a store."""
