"""A trained network as a file that other programs run: written, read back, and compared before it is kept."""
