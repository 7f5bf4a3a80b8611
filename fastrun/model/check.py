"""What the networks refuse: data of a kind that they are not for, and sizes that make no network."""

from __future__ import annotations

from fastrun.errors import ConfigError


def images(model: str, in_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return ``(channels, height, width)``.

    Raises:
        ConfigError: a sample is no image.
    """
    if len(in_shape) != 3:
        raise ConfigError(
            f"model={model} needs images; this data has shape {list(in_shape)}",
            "use model=mlp for vectors, model=gpt or model=lstm for text",
        )
    return in_shape


def tokens(model: str, in_shape: tuple[int, ...], vocabulary: int | None) -> tuple[int, int]:
    """Return the length of a sequence, and how many different tokens there are.

    Raises:
        ConfigError: a sample is no sequence of tokens.
    """
    if vocabulary is None or len(in_shape) != 1:
        raise ConfigError(
            f"model={model} needs text; this data has numbers of shape {list(in_shape)}",
            "use model=resnet" if len(in_shape) == 3 else "use model=mlp",
        )
    return in_shape[0], vocabulary


def positive(**sizes: int) -> None:
    """Refuse a size, named as the argument of the model that it is, below one."""
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"model.{name}={size} is too small", "the least is 1")


def heads(width: int, count: int) -> None:
    """Refuse attention heads that do not share the width evenly."""
    if width % count:
        raise ConfigError(f"model.heads={count} does not divide model.width={width}", f"try model.width={count * 32}")
