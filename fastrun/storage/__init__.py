"""Files that survive a crash: the run directory, its lock and its checkpoints."""
