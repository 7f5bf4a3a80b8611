"""Normalization layers for the built-in networks."""
