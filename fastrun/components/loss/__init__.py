"""Losses: each is a module or function that is called as ``loss(outputs, y)`` and returns a mean over samples.

For classes and text, outputs are ``[N, C]``, and targets are labels ``[N]`` (int64) or probabilities ``[N, C]``. For
regression, outputs and targets have the same shape.
"""
