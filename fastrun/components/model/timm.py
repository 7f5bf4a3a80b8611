"""Any network of the library timm, untrained. Source: Wightman 2019, "PyTorch image models"."""

from __future__ import annotations

import difflib
from typing import Any, cast

from torch import nn

from fastrun.components.model import check
from fastrun.errors import ConfigError

_OF_WEIGHTS = "pretrained", "checkpoint_path", "cache_dir"  # timm would fetch, or unpickle, what these name


def timm(in_shape: tuple[int, ...], num_classes: int, name: str = "resnet18", **arguments: Any) -> nn.Module:
    """Build the network that has a name in timm, for the channels and classes of the data.

    A network that needs images of a fixed size is built for the size of the data.

    The group ``transfer`` loads pretrained weights.
    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, ``(channels, height, width)``.
        num_classes: the number of outputs.
        name: a name in ``timm.list_models()``.
        arguments: passed to timm, as in ``+model.drop_rate=0.1``; none that names weights.

    Raises:
        ConfigError: timm is not installed or has no such network, or the input is not an image.
    """
    channels, *sides = check.images("timm", in_shape)
    for argument in arguments:
        if argument.startswith(_OF_WEIGHTS):
            hint = "transfer=finetune loads pretrained weights, and transfer.source=FILE those of a file"
            raise ConfigError(f"model.{argument} is not an argument here", hint)
    zoo = _zoo()
    if not zoo.is_model(name):
        close = difflib.get_close_matches(name, zoo.list_models(), n=3, cutoff=0.5)
        near = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() in Python lists them"
        raise ConfigError(f"model.name={name}: timm has no such network", near)
    known = zoo.get_pretrained_cfg(name)
    fixed = {"img_size": tuple(sides)} if known and known.fixed_input_size else {}
    return cast(nn.Module, zoo.create_model(name, num_classes=num_classes, in_chans=channels, **fixed | arguments))


def _zoo() -> Any:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision does not match torch
        reason = str(error).splitlines()[0]
        raise ConfigError(f"model=timm needs the package timm: {reason}", "pip install 'fastrun[vision]'") from error
    return timm
