"""The statistics of a study: numbers in, verdicts out."""
