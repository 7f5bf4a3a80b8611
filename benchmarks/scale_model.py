"""The memory, the work and the traffic of a training step as docs/scale.md models them.

    python benchmarks/scale_model.py

prints the tables of that page. ``benchmarks/scale.py`` compares the models with what is measured.

Sources: the bytes of activations are counted as Korthikanti et al. 2022 do in "Reducing activation recomputation in
large transformer models", for a kernel of attention that keeps no scores; the work is that of Kaplan et al. 2020,
"Scaling laws for neural language models"; the traffic of divided weights, that of Rajbhandari et al. 2020, "ZeRO".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# Bytes that a block keeps of each token for each unit of its width: in float32 the inputs of two norms (2 x 4), what
# four linear layers take (1 + 1 + 1 + 4, x 4; the second takes the attention's outputs), queries, keys and values
# (3 x 4), and what GELU takes (4 x 4); in bf16 the same with 2 bytes but for the inputs of norms.
FULL_BYTES, LOW_BYTES = 64, 36


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
    return state_bytes(net, processes) + activation_bytes(net, processes, low_precision, checkpointing)


def state_bytes(net: Gpt, processes: int) -> float:
    """Return the bytes of weights, gradients and Adam's state in a process, and of what is put together for a block."""
    own = 16.0 * net.parameters / processes
    if processes == 1:
        return own
    # two blocks at a time, the one that computes and the next, and the gradients of one; the rest during the whole step
    return own + 4 * (3 * net.block + 2 * net.root)


def activation_bytes(net: Gpt, processes: int, low_precision: bool = False, checkpointing: bool = False) -> float:
    """Return the bytes of what a process keeps for its backward pass."""
    tokens = net.batch * net.length / processes
    of_block = tokens * net.width * (LOW_BYTES if low_precision else FULL_BYTES)
    rest = tokens * (net.vocabulary * 8 + net.width * 8)  # log-probabilities and their gradient; the head's input
    if checkpointing:
        return net.depth * tokens * net.width * 4 + of_block + rest
    return net.depth * of_block + rest


def step_flops(net: Gpt, checkpointing: bool = False) -> float:
    """Return the operations of a step over all processes: 6 for each weight and token, 8 if activations are redone."""
    tokens = net.batch * net.length
    attention = 6 * 2 * net.depth * net.length * net.width * tokens
    return (6 * net.parameters * tokens + attention) * (4 / 3 if checkpointing else 1)


def traffic_bytes(net: Gpt, processes: int, divided: bool, by_gloo: bool = False) -> float:
    """Return the bytes that a process sends in a step.

    Args:
        net: the network.
        processes: the number of processes.
        divided: whether weights are divided (they are gathered twice, and gradients are scattered), or gradients are
            averaged.
        by_gloo: whether they talk by gloo, which averages gradients and then takes the parts of them.
    """
    share = (processes - 1) / processes
    passes = (4 if by_gloo else 3) if divided else 2
    return 4 * passes * net.parameters * share


@dataclass(frozen=True)
class Machine:
    """GPUs, and what connects them.

    Attributes:
        name: in words.
        gpus: how many.
        flops: operations a second of a GPU in bf16, of which a training reaches about 40 %.
        bandwidth: bytes a second that a GPU sends to the others, of which a collective reaches about 70 %.
    """

    name: str
    gpus: int
    flops: float
    bandwidth: float


REACHED, SENT = 0.4, 0.7
VIT = Gpt(width=1024, depth=24, length=197, vocabulary=5, batch=1024)  # 1,000 classes for 197 tokens
GPT = Gpt(width=2048, depth=24, length=2048, vocabulary=50257, batch=512)
NODE = Machine("8 A100 (80 GB), NVLink", 8, 312e12, 300e9)
NODES = Machine("32 A100 (80 GB), 4 nodes of 8, 200 Gbit/s for each GPU", 32, 312e12, 25e9)
CASES = {
    f"ViT-L/16, batch 1,024, {NODE.name}": (VIT, NODE, ("device=ddp", "device=fsdp")),
    f"GPT, 2,048 tokens, batch 512, {NODES.name}": (
        GPT,
        NODES,
        ("device=ddp", "device=fsdp", "device=fsdp speed.checkpointing=true", "device=ddp batch.accumulate=2"),
    ),
}


def row(net: Gpt, machine: Machine, options: str) -> str:
    """Return the row of a table for a run in bf16 with some options."""
    divided, redone = "fsdp" in options, "checkpointing" in options
    parts = 2 if "accumulate=2" in options else 1
    state = state_bytes(net, machine.gpus if divided else 1)
    kept = activation_bytes(replace(net, batch=net.batch // parts), machine.gpus, True, redone)
    compute = step_flops(net, redone) / machine.gpus / (REACHED * machine.flops)
    sent = (parts if divided else 1) * traffic_bytes(net, machine.gpus, divided)
    words = options.replace("device=ddp", "device=ddp amp=bf16").replace("device=fsdp", "device=fsdp amp=bf16")
    seconds = sent / (SENT * machine.bandwidth)
    memory = f"{state / 1e9:.1f} GB | {kept / 1e9:.1f} GB"
    return f"| `{words}` | {memory} | {compute:.2f} s | {sent / 1e9:.1f} GB, {seconds:.2f} s |"


def main() -> None:
    for name, (net, machine, all_options) in CASES.items():
        print(f"\n{name}: {net.parameters / 1e6:,.0f} M weights")
        for options in all_options:
            print(row(net, machine, options))


if __name__ == "__main__":
    main()
