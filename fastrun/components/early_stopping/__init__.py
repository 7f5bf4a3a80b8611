"""Ending a run before its last epoch."""
