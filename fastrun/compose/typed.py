"""Converts a composed config, or a run's config.yaml, to settings; the rest of fastrun sees no DictConfig."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from fastrun import redaction
from fastrun.compose import used
from fastrun.compose.error_messages import unknown_key
from fastrun.compose.error_translation import translate_errors
from fastrun.compose.path_values import quote_paths
from fastrun.compose.replaced_target import leave_out_arguments
from fastrun.config import trust
from fastrun.config.settings import CLOSED, Settings, up_to_date
from fastrun.config.validate import check
from fastrun.errors import ConfigError


def typed(config: Any, choices: dict[str, Any], overrides: Sequence[str] = ()) -> Settings:
    """Convert a composed config to settings.

    Args:
        config: the composed DictConfig, without Hydra's own part.
        choices: the chosen option of each group.
        overrides: what must not be dropped: the command line of a single run.

    Raises:
        ConfigError: a key does not exist, a value is not allowed, a secret is missing, the user does not trust a
            ``_target_``, or a value in ``overrides`` is not used.
    """
    _check_keys(config)
    resolved = OmegaConf.to_container(config, resolve=True)
    for key in redaction.redacted_keys(resolved):
        raise ConfigError(f"{key} is a secret, which is not stored in files", f"give it again: {key}=…")
    redaction.learn(OmegaConf.to_container(config), resolved)
    settings = OmegaConf.to_object(config)
    assert isinstance(settings, Settings)
    chosen = {group: _plain(option) for group, option in choices.items() if not group.startswith("hydra/")}
    settings.choices = {group: option for group, option in chosen.items() if option != []}
    check(settings)
    used.check_run(settings, overrides)
    trust.check_all(asdict(settings))
    return settings


def _check_keys(config: Any) -> None:
    """Check that the dataclasses have every key at the top and in the closed groups.

    Raises:
        ConfigError: a key does not exist.
    """
    nodes = [("", config, Settings), *((f"{group}.", config[group], kind) for group, kind in CLOSED.items())]
    for prefix, node, kind in nodes:
        for key in set(node) - {entry.name for entry in fields(kind)} - {"hydra"}:
            raise unknown_key(f"{prefix}{key}")


def _plain(option: Any) -> Any:
    """Return a chosen option, or the list of several recipes, as plain data."""
    return option if option is None or isinstance(option, str) else list(option)


def from_config(config: dict[str, Any], overrides: Sequence[str], *, has_trackers: bool = True) -> Settings:
    """Return the settings of a run's config.yaml with some values changed.

    Args:
        config: the content of the file.
        overrides: ``key=value`` overrides of the command line.
        has_trackers: False leaves out logger and callbacks, so that their secrets need not be given again.

    Raises:
        ConfigError: a key does not exist, a value is not allowed, or an override does more than change a value.
    """
    if not has_trackers:
        config = config | {"logger": {"_target_": None}, "callbacks": {}}
    with translate_errors(overrides):
        merged = OmegaConf.merge(OmegaConf.structured(Settings), up_to_date(redaction.restore(config)))
        OmegaConf.set_struct(merged, True)
        for override in OverridesParser.create().parse_overrides(quote_paths(overrides)):
            is_group = isinstance(OmegaConf.select(merged, override.key_or_group), DictConfig)
            if override.is_sweep_override() or override.is_add() or override.is_delete() or is_group:
                hint = "a run can resume with other values, such as epochs=20, but not with other options or keys"
                raise ConfigError(f"{override.input_line} is more than a value", hint)
            OmegaConf.update(merged, override.key_or_group, override.value(), force_add=False)
        return typed(merged, dict(config.get("choices") or {}), overrides)


def without_hydra(config: DictConfig, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
    """Remove Hydra's own part from a composed config.

    Args:
        config: the composed config; it is changed.
        overrides: the command line that it is composed from.

    Returns:
        The same config, and the chosen option of each group.
    """
    choices = dict(config.hydra.runtime.choices)
    OmegaConf.set_readonly(config, False)
    OmegaConf.set_struct(config, False)
    leave_out_arguments(config, choices, overrides)
    config.pop("hydra")
    return config, choices
