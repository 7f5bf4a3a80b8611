"""``hydra/launcher=ray``: the jobs of a sweep on Ray. What it takes is checked here; the room ``sweep`` runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from fastrun.compose.error_translation import translate_errors
from fastrun.compose.launcher import FastrunLauncher
from fastrun.config.ray import RayConfig
from fastrun.errors import ConfigError

_GROUP, _KEYS = "hydra/launcher", "hydra.launcher."


class RayLauncher(FastrunLauncher):
    """Hands jobs to Ray.

    Args:
        **values: the values under ``hydra.launcher``.

    Raises:
        ConfigError: there is no such key, or a value is not allowed.
    """

    def __init__(self, **values: Any) -> None:
        plain = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in values.items()
        }
        self.launching = RayConfig.of(plain)


def split_launcher(arguments: Sequence[str]) -> tuple[RayConfig | None, list[str]]:
    """Part the command line of a study into where its runs are made and the other arguments.

    Args:
        arguments: the command line.

    Returns:
        The Ray that ``hydra/launcher=ray`` asks for, None for this machine alone; and the other arguments.

    Raises:
        ConfigError: another launcher is asked for, there is no such key, or a value is not allowed.
    """
    own = [text for text in arguments if text.lstrip("+").startswith((f"{_GROUP}=", _KEYS))]
    rest = [text for text in arguments if text not in own]
    chosen, values = "fastrun", OmegaConf.create()
    with translate_errors(own):
        parsed = OverridesParser.create().parse_overrides([text.lstrip("+") for text in own])
        for override in parsed:
            if override.key_or_group == _GROUP:
                chosen = str(override.value())
            else:
                OmegaConf.update(values, override.key_or_group.removeprefix(_KEYS), override.value())
    if chosen not in ("fastrun", "ray"):
        raise ConfigError(f"hydra/launcher={chosen} does not run studies", "leave it out, or hydra/launcher=ray")
    if chosen == "fastrun" and values:
        raise ConfigError(f"{own[0]} is for hydra/launcher=ray", "add it, or leave the key out")
    plain = OmegaConf.to_container(values)
    assert isinstance(plain, dict)
    return (RayConfig.of(plain) if chosen == "ray" else None), rest  # type: ignore[arg-type]
