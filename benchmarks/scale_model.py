"""The memory, the work and the traffic of a training step as docs/scale.md models them.

    python benchmarks/scale_model.py

prints the tables of that page. The models are compared with what is measured by ``benchmarks/fsdp.py``.

Sources: the bytes of activations follow Korthikanti et al. 2022, "Reducing activation recomputation in large
transformer models"; the work, Kaplan et al. 2020, "Scaling laws for neural language models"; the traffic of divided
weights, Rajbhandari et al. 2020, "ZeRO".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpt:
    """A transformer; a decoder of tokens, or an encoder of image patches.

    Attributes:
        width: of a token's embedding.
        depth: the number of blocks.
        length: tokens of a sample.
        vocabulary: the outputs of each token; classes of the whole image for an encoder.
        batch: samples of a step, over all processes.
    """

    width: int
    depth: int
    length: int
    vocabulary: int
    batch: int

    @property
    def block(self) -> int:
        """Return the weights of a block."""
        return 12 * self.width**2 + 13 * self.width

    @property
    def root(self) -> int:
        """Return the weights outside of blocks: embeddings, which the head shares, positions, and the last norm."""
        return (self.vocabulary + self.length + 2) * self.width

    @property
    def parameters(self) -> int:
        """Return all weights."""
        return self.depth * self.block + self.root


def peak_bytes(net: Gpt, processes: int, low_precision: bool = False, checkpointing: bool = False) -> float:
    """Return the most memory of a process for weights, gradients, Adam's state and activations, in bytes."""
    return state_bytes(net, processes, low_precision) + activation_bytes(net, processes, low_precision, checkpointing)


def state_bytes(net: Gpt, processes: int, low_precision: bool = False) -> float:
    """Return the bytes of weights, gradients and Adam's state in a process, and of what is put together for a block."""
    own = 16.0 * net.parameters / processes
    if processes == 1:
        return own
    element = 2 if low_precision else 4
    # two blocks at a time, the one that computes and the next, and the gradients of one; the rest during the whole step
    return own + element * (3 * net.block + 2 * net.root)


def activation_bytes(net: Gpt, processes: int, low_precision: bool = False, checkpointing: bool = False) -> float:
    """Return the bytes of what a process keeps for its backward pass."""
    tokens = net.batch * net.length / processes
    of_block = tokens * net.width * (34 if low_precision else 64)
    kept = 2 if low_precision else 4
    logits = tokens * net.vocabulary * (10 if low_precision else 12)
    if checkpointing:
        return net.depth * tokens * net.width * kept + of_block + logits
    return net.depth * of_block + logits


def step_flops(net: Gpt, checkpointing: bool = False) -> float:
    """Return the operations of a step over all processes: 6 for each weight and token, 8 if activations are redone."""
    tokens = net.batch * net.length
    attention = 6 * 2 * net.depth * net.length * net.width * tokens
    return (6 * net.parameters * tokens + attention) * (4 / 3 if checkpointing else 1)


def traffic_bytes(net: Gpt, processes: int, divided: bool, low_precision: bool = False) -> float:
    """Return the bytes that a process sends in a step.

    Args:
        net: the network.
        processes: the number of processes.
        divided: whether weights are divided (they are gathered twice, and gradients are scattered), or gradients are
            averaged.
        low_precision: whether weights travel in 16 bits; gradients travel in 32.
    """
    share = (processes - 1) / processes
    if not divided:
        return 2 * 4 * net.parameters * share
    return (2 * (2 if low_precision else 4) + 4) * net.parameters * share
