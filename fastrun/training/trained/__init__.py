"""A trained network put to use: loaded, measured, and asked for predictions."""
