"""Data sets: each function returns ``{"train": Dataset, "val": Dataset, "test": Dataset}``."""
