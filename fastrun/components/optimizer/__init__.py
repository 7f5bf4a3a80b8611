"""Optimizers, their parameter groups, and the step that the training loop calls."""
