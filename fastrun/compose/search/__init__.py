"""Which points a sweep tries: all of a grid, side by side, drawn at random, from a file, or as results suggest."""
