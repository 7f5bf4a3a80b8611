"""Removing runs, or their checkpoints."""
