"""Composing settings without running anything."""

from __future__ import annotations

from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from fastrun.compose.choices import note_choices
from fastrun.compose.error_translation import translate_errors
from fastrun.compose.path_values import quote_paths
from fastrun.compose.plugins import register
from fastrun.compose.typed import typed, without_hydra
from fastrun.compose.user_folders import note_unused_files
from fastrun.config.paths import shipped
from fastrun.config.settings import Settings


def compose(overrides: list[str]) -> Settings:
    """Return the settings that overrides compose to.

    Args:
        overrides: a command line, such as ``["+recipe=resnet_amp", "epochs=3"]``.

    Raises:
        ConfigError: a recipe, group, option, key or value is not allowed or does not exist.
    """
    overrides = quote_paths(overrides)
    with translate_errors(overrides):
        settings = typed(*compose_config(overrides), overrides)
        note_unused_files(settings.choices)
        return settings


def compose_config(overrides: list[str]) -> tuple[DictConfig, dict[str, Any]]:
    """Return the config that overrides compose to, as Hydra has it, and the chosen option of each group.

    Args:
        overrides: a command line, whose paths are quoted.
    """
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        note_choices(overrides)
        config = hydra_compose("train", overrides=overrides, return_hydra_config=True)
        return without_hydra(config, overrides)
