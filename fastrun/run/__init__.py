"""A run from its directory to its summary: what happens around a fit."""
