"""Measured suggestions for a number: the learning rate, the batch size, or any other number with a log scale."""
