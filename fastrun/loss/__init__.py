"""Losses: each is built from its arguments and called as ``loss(outputs, y)``; it returns a mean over samples.

Classes and text: outputs ``[N, C]`` with labels ``[N]`` (int64) or probabilities ``[N, C]``. Regression: ``[N]`` both.
"""
