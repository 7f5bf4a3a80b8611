"""Runs and sweeps shown in the terminal while they run, from the files of their directories alone."""
