"""Checks of a network's arguments: whether it suits the data, and whether its sizes fit together."""

from __future__ import annotations

from typing import Annotated

from fastrun.config.constraints import Range
from fastrun.errors import ConfigError

Depth = Annotated[int, Range(ge=1, le=2000)]  # layers; a deeper network would take minutes to build


def images(model: str, in_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Check that samples are images, and return ``(channels, height, width)``.

    Raises:
        ConfigError: they are not.
    """
    if len(in_shape) != 3:
        raise ConfigError(
            f"model={model} needs images; this data has shape {list(in_shape)}",
            "use model=mlp for vectors, model=gpt, model=lstm or model=hf for text",
        )
    return in_shape


def tokens(model: str, in_shape: tuple[int, ...], vocabulary: int | None) -> tuple[int, int]:
    """Check that samples are text, and return the length of a sequence and the number of different tokens.

    Raises:
        ConfigError: they are not.
    """
    if vocabulary is None or len(in_shape) != 1:
        raise ConfigError(
            f"model={model} needs text; this data has samples of shape {list(in_shape)}",
            "use model=resnet" if len(in_shape) == 3 else "use model=mlp for vectors, model=hf for texts with classes",
        )
    return in_shape[0], vocabulary


def heads(width: int, count: int) -> None:
    """Check that the number of attention heads divides the width.

    Raises:
        ConfigError: it does not.
    """
    if width % count:
        raise ConfigError(f"model.heads={count} does not divide model.width={width}", f"try model.width={count * 32}")
