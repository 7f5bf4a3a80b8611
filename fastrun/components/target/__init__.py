"""The value of a metric that a run has to reach."""
