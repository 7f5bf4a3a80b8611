"""The story of an export: a network is loaded, written in a format, read back, compared, and described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastrun.components.task import OWN_TASK
from fastrun.components.transfer.lora import merge_adapters
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.storage.run_dir import RunDir
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.training.trained.export import onnx_file, torch_file, weights_file
from fastrun.training.trained.export.agreement import Agreement, Function, compare
from fastrun.training.trained.export.card import Card, render_card
from fastrun.training.trained.export.formats import CARD, DESCRIPTION, Format
from fastrun.training.trained.export.interface import Interface, interface_of
from fastrun.training.trained.export.samples import Samples, find_samples
from fastrun.training.trained.export.tensor_model import TensorModel
from fastrun.training.trained.export.traced import trace
from fastrun.training.trained.model import TrainedNetwork, load_network


@dataclass(frozen=True)
class Export:
    """An export that is good, and in no file yet.

    Attributes:
        files: the content of each file by its name; that of the model stands last.
        agreement: how well it agrees with the network.
        interface: what it takes and returns.
    """

    files: dict[str, bytes]
    agreement: Agreement
    interface: Interface


def export(run: RunDir, checkpoint: Path, settings: Settings, form: Format) -> Export:
    """Write the network of a checkpoint in a format, and compare it with what was written.

    Args:
        run: the run.
        checkpoint: the path of the checkpoint.
        settings: the settings of the run.
        form: the format.

    Raises:
        CheckpointError: the checkpoint cannot be read or holds another network.
        ConfigError: the model cannot be built, does not return a tensor for a batch of inputs, or has no such form; or
            what was written computes something else.
    """
    trained = load_network(checkpoint, settings)
    if settings.transfer.kind == "lora":  # what is exported has ordinary layers
        merge_adapters(trained.net)
    if not trained.learned.is_paired:
        raise ConfigError(
            "the run's samples are no pairs of an input and a target", "an export takes a batch of inputs"
        )
    samples = find_samples(trained)
    _check_outputs(TensorModel(trained), samples.inputs)
    description = weights_file.describe(trained)
    content, exported, any_length = _convert(trained, samples, form, description)
    task = OWN_TASK if has_own_loss(trained.net) else trained.learned.task
    agreement = compare(TensorModel(trained), exported, samples, task, any_length=any_length)
    interface = interface_of(trained, any_length=any_length)
    description |= {"format": form.name, "interface": asdict(interface), "agreement": asdict(agreement)}
    card = render_card(Card(run, checkpoint, trained, form, interface, agreement))
    files = {
        CARD: card.encode(),
        DESCRIPTION: _as_json(description).encode(errors="replace"),
        form.file: content,
    }
    return Export(files, agreement, interface)


def _check_outputs(model: TensorModel, inputs: Tensor) -> None:
    hint = "an export is the network's forward, from a batch of inputs to a tensor"
    try:
        with torch.inference_mode():
            outputs = model(inputs[:2].clone())
    except Exception as error:  # the network may be the user's
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"the network does not take the samples alone: {reason}", hint) from error
    if not isinstance(outputs, Tensor):
        raise ConfigError(f"the network returns a {type(outputs).__name__}", hint)


def _convert(
    trained: TrainedNetwork, samples: Samples, form: Format, description: dict[str, Any]
) -> tuple[bytes, Function, bool]:
    """Return the content of a file, the function that it computes, and whether that takes shorter sequences."""
    model, is_text = TensorModel(trained), trained.learned.task.name == "language"
    if form.name == "safetensors":
        content = weights_file.write(trained)
        rebuilt = weights_file.read(content, json.loads(_as_json(description)), form.file)
        return content, TensorModel(rebuilt), is_text and _takes_shorter(model, samples.inputs)
    file = onnx_file if form.name == "onnx" else torch_file
    if form.name == "onnx":
        onnx_file.check_size(model)
    traced = trace(model, samples.inputs, is_text=is_text)
    content = file.write(traced)
    return content, file.read(content), traced.any_length


def _takes_shorter(model: TensorModel, inputs: Tensor) -> bool:
    """Say whether a network takes sequences that are shorter than those of its run, such as the beginning of one."""
    try:
        with torch.inference_mode():
            model(inputs[:2, :1])
    except Exception:  # the network may be the user's
        return False
    return True


def _as_json(description: Mapping[str, Any]) -> str:
    """Return a description as JSON, an entry a line."""
    lines = (f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in description.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
