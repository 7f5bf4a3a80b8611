"""Optimizations that make a step faster without changing what it computes."""
