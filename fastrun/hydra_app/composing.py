"""From overrides, or from a run's config.yaml, to settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from fastrun import redaction, trust
from fastrun.errors import ConfigError
from fastrun.hydra_app.registering import register
from fastrun.hydra_app.translated import translated
from fastrun.limits import check
from fastrun.paths import shipped
from fastrun.refusal import unknown
from fastrun.settings import Settings


def compose(overrides: list[str]) -> Settings:
    """Compose settings without running anything.

    Raises:
        ConfigError: a recipe, group, option, key or value that does not fit.
    """
    register()
    GlobalHydra.instance().clear()
    with translated(overrides), initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        config = hydra_compose("train", overrides=overrides, return_hydra_config=True)
        choices = dict(config.hydra.runtime.choices)
        OmegaConf.set_readonly(config, False)
        OmegaConf.set_struct(config, False)
        config.pop("hydra")
        return typed(config, choices)


def frozen(config: dict[str, Any], overrides: list[str]) -> Settings:
    """Return the settings of a run's config.yaml, values changed by ``key=value`` overrides.

    Raises:
        ConfigError: a key or value that does not fit, or an override that is more than a value.
    """
    with translated(overrides):
        merged = OmegaConf.merge(OmegaConf.structured(Settings), redaction.restored(config))
        OmegaConf.set_struct(merged, True)
        for override in OverridesParser.create().parse_overrides(overrides):
            node = OmegaConf.select(merged, override.key_or_group)
            if (
                override.is_sweep_override()
                or override.is_add()
                or override.is_delete()
                or isinstance(node, DictConfig)
            ):
                raise ConfigError(
                    f"{override.input_line} is more than a value", "a run resumes with other values only: epochs=20"
                )
            OmegaConf.update(merged, override.key_or_group, override.value(), force_add=False)
        return typed(merged, dict(config.get("choices") or {}))


def typed(config: Any, choices: dict[str, Any]) -> Settings:
    """Convert a composed config to plain settings; no DictConfig travels further."""
    for path, node, kind in ((), config, Settings), *_closed(config):
        for key in set(node) - {entry.name for entry in fields(kind)} - {"hydra"}:
            raise unknown(".".join([*path, str(key)]))
    resolved = OmegaConf.to_container(config, resolve=True)
    for lost in redaction.lost(resolved):
        raise ConfigError(f"{lost} is a secret, which no file keeps", f"give it again: {lost}=…")
    redaction.learn(OmegaConf.to_container(config), resolved)
    settings = OmegaConf.to_object(config)
    assert isinstance(settings, Settings)
    plain = {group: list(c) if not isinstance(c, (str, type(None))) else c for group, c in choices.items()}
    settings.choices = {group: c for group, c in plain.items() if not group.startswith("hydra/")}
    check(settings)
    trust.check_all(asdict(settings))
    return settings


def _closed(config: Any) -> Iterator[tuple[tuple[str, ...], Any, type]]:
    """Yield the closed groups: where, what was composed, and the dataclass that it must be."""
    for entry in fields(Settings):
        if is_dataclass(entry.default_factory):
            yield (entry.name,), config[entry.name], entry.default_factory
