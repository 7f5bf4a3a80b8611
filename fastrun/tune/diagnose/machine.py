"""What the machine can do here and now, and what a step asks of it: a matrix product, a copy, operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from fastrun.components.model.buffers import keep_buffers
from fastrun.components.pipeline.structure import batch_length, tensors_of
from fastrun.components.speed.compile import restore
from fastrun.tune.diagnose.trial import Trial

_SECONDS = 0.15  # for each of the product and the copy, and half as much again to warm up
_SIDES = {"cpu": (128, 2048), "cuda": (1024, 8192)}  # the least and the largest matrix
_COPIES = 1 << 20, 1 << 28  # bytes of the smallest and the largest copy
_WITHOUT_FORMULA = (  # operations that take many flops, and that torch's counter does not know
    *("mkldnn_rnn_layer", "mkldnn_rnn_layer_backward", "_cudnn_rnn", "_cudnn_rnn_backward", "miopen_rnn"),
    *("_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "mv", "addmv", "dot", "_cdist_forward", "_cdist_backward"),
    *("_fft_r2c", "_fft_c2r", "_fft_c2c", "_linalg_svd", "_linalg_eigh", "linalg_qr", "linalg_inv_ex"),
)


@dataclass(frozen=True)
class Machine:
    """What the machine did in a moment.

    Attributes:
        flops: the floating-point operations a second of a matrix product of about the step's size.
        precision: the type of its numbers.
        bandwidth: the bytes a second that a copy of about the step's size read and wrote.
        threads: the threads of the host that computed.
    """

    flops: float
    precision: str
    bandwidth: float
    threads: int


@dataclass(frozen=True)
class Flops:
    """The floating-point operations of a step's forward and backward pass.

    Attributes:
        total: their number; 0 where none was counted.
        uncounted: operations that take many and that torch has no formula for, such as the kernels of an LSTM.
    """

    total: float
    uncounted: tuple[str, ...] = ()


def count_flops(trial: Trial) -> Flops:
    """Count the operations of one step. Counting is slow, so nothing is timed meanwhile."""
    part = trial.part()
    seen: set[str] = set()
    counter = FlopCounterMode(display=False, custom_mapping=_recorders(seen))

    def count() -> None:
        with counter, _uncompiled(trial.parts.net):
            torch.autograd.backward(trial.stepper.forward(part))

    keep_buffers(trial.parts.net, count)
    return Flops(counter.get_total_flops() * trial.size / batch_length(part), tuple(sorted(seen)))


@contextmanager
def _uncompiled(net: nn.Module) -> Iterator[None]:
    """Let a network use its class's ``forward`` during a block, where each operation can be seen."""
    compiled = vars(net).get("forward")
    restore(net)
    try:
        yield
    finally:
        if compiled is not None:
            net.forward = compiled


def _recorders(seen: set[str]) -> dict[Any, Callable[..., int]]:
    """Return a formula for each operation that has none, which counts nothing and notes the operation's name."""

    def recorder(name: str) -> Callable[..., int]:
        def note(*args: Any, **kwargs: Any) -> int:
            seen.add(name)
            return 0

        return note

    names = [name for name in _WITHOUT_FORMULA if hasattr(torch.ops.aten, name)]
    operations = {getattr(torch.ops.aten, name): recorder(name) for name in names}
    return {operation: note for operation, note in operations.items() if operation not in flop_registry}


def measure_machine(trial: Trial, flops: Flops) -> Machine:
    """Measure a matrix product in the precision of the step, and a copy of memory, both of about the step's size."""
    precision = trial.parts.update.precision.name
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision, torch.float32)
    least, largest = _SIDES.get(trial.device.type, _SIDES["cpu"])
    side = int(min(largest, max(least, (flops.total / 2) ** (1 / 3))))
    matrix = torch.ones(side, side, dtype=dtype, device=trial.device)
    weights = sum(weight.nbytes for weight in trial.parts.net.parameters())
    data = sum(tensor.nbytes for tensor in tensors_of(trial.batch))
    numbers = min(_COPIES[1], max(_COPIES[0], 3 * weights + data)) // 4  # weights, gradients, averages
    source = torch.zeros(numbers, device=trial.device)
    target = torch.empty_like(source)
    product, copy = (_seconds(trial, work) for work in (lambda: matrix @ matrix, lambda: target.copy_(source)))
    name = str(dtype).removeprefix("torch.")
    return Machine(2 * side**3 / product, name, 2 * source.nbytes / copy, torch.get_num_threads())


def _seconds(trial: Trial, work: Any) -> float:
    trial.timer.per_call(work, _SECONDS / 2)
    return trial.timer.per_call(work, _SECONDS)
