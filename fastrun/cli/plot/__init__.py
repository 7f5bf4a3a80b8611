"""Plots of the learning-rate schedules, in the terminal and as a picture. They need the extra ``report``."""
