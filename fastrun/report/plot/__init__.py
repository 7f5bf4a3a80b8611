"""Plots of schedules and of what a search measured. They need the extra ``report``."""
