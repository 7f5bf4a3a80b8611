"""What a run takes that is too short to measure anything: float32 on a CPU, and threads by the size of a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

# Floating-point operations of a step below which more threads wait for one another longer than they compute: on a
# processor of 2024, one thread takes some 20 ms for as many.
_SMALL_STEP = 2e9


def step_flops(net: nn.Module, forward: Callable[[], object], share: float) -> float:
    """Return an estimate of the floating-point operations of a training step.

    Each weight of a module is taken to be used once at each position of its output (a pixel, a token): right for
    dense, convolutional and recurrent layers. Products between activations, as in attention, are not counted. A
    backward pass takes twice as many operations as the forward pass (Kaplan et al. 2020, appendix B).

    Args:
        net: the network.
        forward: runs the network on some samples.
        share: how much of a step's batch these are.
    """
    total = 0.0

    def count(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal total
        weights = [weight for weight in module.parameters(recurse=False) if weight.ndim >= 2]
        first = output if isinstance(output, Tensor) else inputs[0] if inputs else None
        if not weights or isinstance(module, nn.Embedding) or not isinstance(first, Tensor):
            return
        if isinstance(module, nn.RNNBase):
            positions = inputs[0].numel() / module.input_size  # type: ignore[attr-defined]
        else:
            positions = first.numel() / max(1, weights[0].shape[0])
        total += 2 * positions * sum(weight.numel() for weight in weights)

    handles = [module.register_forward_hook(count) for module in net.modules()]
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            forward()
    finally:
        net.train(was_training)
        for handle in handles:
            handle.remove()
    return 3 * total / share


def threads_for(flops: float, cores: int) -> int:
    """Return how many threads a step is worth.

    Args:
        flops: the floating-point operations of the step.
        cores: the threads that may be used.
    """
    return max(1, min(cores, int(flops / (_SMALL_STEP / 2)))) if flops >= _SMALL_STEP else 1
