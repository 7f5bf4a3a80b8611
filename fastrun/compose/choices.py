"""The options that a command line chooses, which recipes must know before Hydra composes them."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

from fastrun.compose import hydra_keys, signs
from fastrun.compose.recipes import RecipeSource
from fastrun.errors import ConfigError


def note_choices(overrides: Sequence[str], *, is_sweep: bool = False) -> None:
    """Tell recipes which options the command line chooses, and check the keys that are Hydra's own.

    Args:
        overrides: the command line.
        is_sweep: whether an override may have several values, ``key=1,2``.

    Raises:
        ConfigError: a key of Hydra's does not exist, or an override has several values outside a sweep.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for override in parsed:
        hydra_keys.check(override)
        signs.check(override)
        if override.is_sweep_override() and not is_sweep:
            hint = "add -m for a run of each value; a text is quoted: 'key=\"1,2\"', a list is key=[1,2]"
            raise ConfigError(f"{override.key_or_group} has several values", hint)
    RecipeSource.chosen = {
        override.key_or_group: override.value() for override in parsed if not override.is_sweep_override()
    }
