"""The group ``data``: each option is a function that returns ``{"train": Dataset, "val": Dataset, "test": Dataset}``.

Beside the splits it may return ``classes``, the names of the labels, and ``about``, which the run directory records.
"""
