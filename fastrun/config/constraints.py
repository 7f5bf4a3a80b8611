"""Constraints of a configuration value, declared beside the field of its dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, field
from typing import Any

from fastrun.errors import ConfigError, nearest


def choice(default: str | None, *words: str | None) -> Any:
    """Return a dataclass field whose value is one of a few words.

    Args:
        default: the default value.
        words: every allowed value, including None where the field may be null.
    """
    return field(default=default, metadata={"words": words})


def at_least(minimum: float, default: float | None) -> Any:
    """Return a dataclass field whose value is a number not below a minimum.

    Args:
        minimum: the smallest allowed value.
        default: the default value; where it is None, the field may be null.
    """
    return field(default=default, metadata={"minimum": minimum})


def check(key: str, value: Any, entry: Field[Any]) -> None:
    """Check a value against the constraints of its field.

    Args:
        key: the dotted key, for messages.
        value: the value.
        entry: the field, which :func:`choice` or :func:`at_least` may have made.

    Raises:
        ConfigError: the value does not satisfy the field's constraint.
    """
    if "words" in entry.metadata:
        check_word(key, value, entry.metadata["words"])
    minimum = entry.metadata.get("minimum")
    if minimum is not None and value is not None and not value >= minimum:  # a NaN is refused, too
        raise ConfigError(f"{key}={value} is too small", f"the minimum is {minimum}")


def check_word(key: str, value: Any, words: Sequence[str | None]) -> None:
    """Check that a value is one of a few words.

    Args:
        key: the dotted key, for messages.
        value: the value.
        words: every allowed value.

    Raises:
        ConfigError: the value is not one of the words; the hint names the nearest one or lists all.
    """
    if value in words:
        return
    names = [word for word in words if word is not None]
    hint = nearest(str(value), names) or f"choose from {', '.join(names)}"
    raise ConfigError(f"{key}={value} is not known", hint)
