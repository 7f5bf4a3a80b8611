"""Parameters in groups: norms and biases are not decayed.

Source: Loshchilov & Hutter 2019 decay every weight; leaving out vectors (gains, biases) is common practice since
Goyal et al. 2017 and He et al. 2019, "Bag of tricks".
"""

from __future__ import annotations

from typing import Any

from torch import nn


def decayed(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters: tensors of two or more dimensions decayed, the others not."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not weight_decay:
        return [{"params": parameters}]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
