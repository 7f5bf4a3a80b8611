"""A model as a graph of operators, with a batch of any size."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from fastrun.errors import ConfigError
from fastrun.training.trained.export.tensor_model import TensorModel


@dataclass(frozen=True)
class Traced:
    """A graph.

    Attributes:
        program: the graph.
        dynamic: the sizes of its input that are not fixed, by the number of the dimension.
    """

    program: ExportedProgram
    dynamic: dict[int, Any]

    @property
    def any_length(self) -> bool:
        """Say whether it takes sequences that are shorter than those of the run's data."""
        return len(self.dynamic) > 1


def trace(model: TensorModel, inputs: Tensor, *, is_text: bool) -> Traced:
    """Trace a model.

    Args:
        model: the model.
        inputs: samples, ``[samples, …]``.
        is_text: whether the samples are sequences, of which the model may take shorter ones. A recurrent network is
            traced step by step, so its length is fixed.

    Raises:
        ConfigError: the model cannot be traced, or takes batches of one size only.
    """
    batch = {0: Dim("batch", min=1)}
    example = inputs[:2] if len(inputs) > 1 else torch.cat([inputs, inputs])
    if is_text and inputs.shape[1] > 1:
        try:
            return _trace(model, example, batch | {1: Dim("length", min=1, max=inputs.shape[1])})
        except Exception:  # of whatever kind: what is wrong beside the length is told by the next attempt
            pass
    try:
        return _trace(model, example, batch)
    except Exception as error:  # the network may be the user's, and torch raises errors of many kinds
        raise ConfigError(_reason(error), "--to safetensors keeps the weights and needs no graph") from error


def _reason(error: Exception) -> str:
    if "Constraints violated (batch)" in str(error):
        return "the model's code fixes the size of the batch, so no graph of it takes any other"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"torch.export cannot trace the model: {lines[0]}"


def _trace(model: TensorModel, example: Tensor, dynamic: dict[int, Any]) -> Traced:
    with torch.no_grad(), quiet():
        program = torch.export.export(model, (example,), dynamic_shapes=(dynamic,))
    for node in program.graph.nodes:  # it would tell whoever gets the file where the code lies on this machine
        node.meta.pop("stack_trace", None)
    return Traced(program, dynamic)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from printing, logging and warning in a block."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
