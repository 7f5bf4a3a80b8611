"""What ``~key`` and ``+group`` may not do: take away what a run needs, or choose an option a second time."""

from __future__ import annotations

from hydra.core.override_parser.types import Override, OverrideType

from fastrun.config import registry
from fastrun.config.settings import CLOSED, OPEN, top_level_keys
from fastrun.errors import ConfigError


def check(override: Override) -> None:
    """Check an override that deletes or adds something.

    Raises:
        ConfigError: it deletes what every run has, or adds the option of a group that has one already.
    """
    key = override.key_or_group
    group, _, name = key.partition(".")
    groups = [known for known in registry.groups() if known in (*OPEN, *CLOSED)]
    if override.type == OverrideType.ADD and key in groups:
        plain = str(override.input_line).lstrip("+")
        raise ConfigError(f"+{plain}: every run has this group", f"leave out the plus: {plain}")
    if not override.is_delete():
        return
    if key in groups:
        raise ConfigError(f"~{key}: every run needs one", f"choose one: `fastrun options {key}`")
    if name == "_target_" and group in OPEN:
        raise ConfigError(f"~{key}: every run needs one", f"choose one: `fastrun options {group}`")
    if group in (*CLOSED, *top_level_keys()):
        raise ConfigError(f"~{key}: every run needs it", f"give it another value: {key}=…")
