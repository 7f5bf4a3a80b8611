"""The settings for speed that are fastest for a run on this machine, by measurement."""
