"""How a residual branch starts: at zero, so that each block is its shortcut at first."""

from __future__ import annotations

from torch import nn


def silence(last: nn.Module) -> None:
    """Zero the trainable tensors of a branch's last layer: a norm's gains, or else the weights.

    A norm whose gains do not train is left as it is: a branch closed by it could never open.
    Sources: Goyal et al. 2017 (a norm's gain), Zhang et al. 2019, "Fixup" (weights).
    """
    for parameter in last.parameters():
        if parameter.requires_grad:
            nn.init.zeros_(parameter)
