"""When a run saves a checkpoint, and which of its checkpoints it keeps."""
