"""How the learning rate follows the batch size.

Source: Goyal et al. 2017, "Accurate, large minibatch SGD", for ``linear``; Krizhevsky 2014, "One weird trick for
parallelizing convolutional neural networks", for ``sqrt``.
"""

from __future__ import annotations

from math import sqrt

from fastrun.config.settings import BatchConfig


def lr_factor(config: BatchConfig) -> float:
    """Return the factor of all learning rates: 1, the ratio of ``size`` to ``base_size``, or its square root.

    Args:
        config: the settings of the group, with the size that is used, after it was cut to a small data set.
    """
    if config.lr_scaling == "none":
        return 1.0
    ratio = config.size / config.base_size
    return ratio if config.lr_scaling == "linear" else sqrt(ratio)
