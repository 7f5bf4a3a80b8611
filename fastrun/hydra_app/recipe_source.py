"""Recipes as Hydra sees them, and the user's own folders beside the shipped ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, ListConfig

from fastrun.errors import ConfigError
from fastrun.hydra_app import own_keys
from fastrun.paths import roots, shown


class RecipeSource(FileConfigSource):
    """Shows a ``recipes/`` folder to Hydra as the group ``recipe``.

    The values that a recipe has for a group are meant for the option that it chooses there: where the command line, or
    a recipe that extends it, chooses another, they are left out.
    """

    chosen: ClassVar[dict[str, Any]] = {}  # in the config being composed, by whoever comes first: group to option

    @staticmethod
    def scheme() -> str:
        """Return what search path entries of this kind begin with."""
        return "recipes"

    def load_config(self, config_path: str) -> ConfigResult:
        """Load ``recipe/x`` from ``x.yaml``."""
        loaded = super().load_config(_inside(config_path))
        if isinstance(loaded.config, DictConfig):
            _check_stays_in_place(loaded, shown(Path(self.path) / f"{_inside(config_path)}.yaml"))
            for group, option in _overridden(loaded.config):
                if self.chosen.setdefault(group, option) != option:
                    loaded.config.pop(group, None)
        return loaded

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is the group itself or a folder of recipes."""
        return config_path == "" or (_is_recipe(config_path) and super().is_group(_inside(config_path)))

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is a recipe."""
        return _is_recipe(config_path) and super().is_config(_inside(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the recipes of a folder; the group itself at the root."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else ["recipe"]
        return super().list(_inside(config_path), results_filter) if self.is_group(config_path) else []


def _overridden(recipe: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield the groups that a recipe chooses an option of, and the option: ``override /group: option``."""
    defaults = recipe.get("defaults")
    for entry in defaults if isinstance(defaults, ListConfig) else ():
        for key, option in entry.items() if isinstance(entry, DictConfig) else ():
            if str(key).startswith("override /"):
                yield str(key).removeprefix("override /"), option


_NOT_A_RECIPES = re.compile(r"(^|[\s/@.])hydra([/@.]|$)|(^|/)\.\.(/|$)")  # in a key, a group, a package or an option


def _check_stays_in_place(loaded: ConfigResult, path: str) -> None:
    """Refuse a recipe that says how Hydra runs (launcher, callbacks, folders, search path), or that leads out of conf/.

    Raises:
        ConfigError: it does.
    """
    assert isinstance(loaded.config, DictConfig)
    defaults = loaded.config.get("defaults")
    entries = list(defaults) if isinstance(defaults, ListConfig) else []
    named = [str(part) for one in entries for part in (chain(*one.items()) if isinstance(one, DictConfig) else [one])]
    for name in [str(loaded.header.get("package")), *map(str, loaded.config), *named]:
        if _NOT_A_RECIPES.search(name):
            raise ConfigError(
                f"{path}: a recipe cannot set {name}", "what is Hydra's is said on the command line: hydra/launcher=…"
            )
    if loaded.header.get("package") != "_global_":
        raise ConfigError(f"{path}: a recipe's first line is `# @package _global_`", "put it there")


def _is_recipe(config_path: str) -> bool:
    return config_path == "recipe" or config_path.startswith("recipe/")


def _inside(config_path: str) -> str:
    return config_path.removeprefix("recipe").removeprefix("/")


class OwnFolders(SearchPathPlugin):
    """Appends the user's ``./conf``, so that nothing there replaces what is shipped, then the recipes, theirs first."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Extend the search path."""
        if isinstance(search_path, ConfigSearchPathImpl):
            for own in roots("conf")[1:]:
                search_path.append("own", f"file://{own}")
            for folder in reversed(roots("recipes")):
                search_path.append("recipes", f"recipes://{folder}")


def parsed(self: ConfigLoaderImpl, config_name: str | None, overrides: list[str]) -> Any:
    """Begin composing a config, one of several in a sweep: note what its command line chooses."""
    found, repository = _parse(self, config_name, overrides)
    for override in found:
        own_keys.check(override)
    RecipeSource.chosen = {one.key_or_group: one.value() for one in found if not one.is_sweep_override()}
    return found, repository


_parse = ConfigLoaderImpl._parse_overrides_and_create_caching_repo
