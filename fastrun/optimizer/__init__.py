"""Optimizers: those of torch, given the parameters in groups."""
