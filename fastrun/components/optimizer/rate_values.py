"""The check of the keys that every optimizer has beside its own arguments. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fastrun.errors import ConfigError


def check_rate_values(layer_decay: object, lr_scale: object) -> None:
    """Check ``optimizer.layer_decay`` and ``optimizer.lr_scale``.

    Raises:
        ConfigError: one of them is not allowed.
    """
    if not _is_number(layer_decay) or not 0 < layer_decay <= 1:  # type: ignore[operator]
        raise ConfigError(
            f"optimizer.layer_decay={layer_decay} is not in (0, 1]", "1 means no decay; 0.65 to 0.9 are usual"
        )
    if not isinstance(lr_scale, Mapping):
        raise ConfigError(f"optimizer.lr_scale={lr_scale} is not a map", "write 'optimizer.lr_scale={head.*:10}'")
    for pattern, factor in lr_scale.items():
        if not _is_number(factor) or not factor >= 0:
            raise ConfigError(
                f"optimizer.lr_scale: the factor {factor} of {pattern} is not a number of at least 0",
                "use for example 10",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
