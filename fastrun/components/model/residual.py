"""Starting residual branches at zero, so that each block starts as its shortcut."""

from __future__ import annotations

from torch import nn


def zero_last_layer(last: nn.Module) -> None:
    """Set the trainable tensors of a branch's last layer to zero: the gains and biases of a norm, or the weights.

    A norm with frozen gains is left unchanged, since a branch that it closes could never open.
    Sources: Goyal et al. 2017 (a norm's gain), Zhang et al. 2019, "Fixup" (weights).
    """
    for parameter in last.parameters():
        if parameter.requires_grad:
            nn.init.zeros_(parameter)
