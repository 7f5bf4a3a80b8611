"""Checkpoints: what one holds, how it is written, and which one is the newest or the best."""
