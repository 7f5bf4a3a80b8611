"""The group ``device``: the device of a run."""
