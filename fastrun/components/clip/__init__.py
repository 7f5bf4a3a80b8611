"""Gradient clipping by norm, by value, or by unit (AGC)."""
