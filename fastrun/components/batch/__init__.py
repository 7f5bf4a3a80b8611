"""Mini-batches: their size, and how the learning rate follows it."""
