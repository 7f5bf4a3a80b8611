"""The source of recipes for Hydra, and the search path with the user's own folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, ListConfig, OmegaConf

from fastrun.config.paths import display, roots
from fastrun.errors import ConfigError

_GROUP = "recipe"
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)\s*$", re.M)
_FORBIDDEN = re.compile(r"(^|[\s/@.])hydra([/@.]|$)|(^|/)\.\.(/|$)")  # in a key, group, package or option


class RecipeSource(ConfigSource):
    """Shows a ``recipes/`` folder to Hydra as the group ``recipe``.

    The values of a recipe for a group belong to the option that the recipe chooses there. If the command line, or a
    recipe that extends it, chooses another option, the values are left out.

    Attributes:
        chosen: the option of each group in the config being composed; the first choice counts. It belongs to the class
            because Hydra creates the objects, a new one for each folder and composition, from nothing but the folder.
    """

    chosen: ClassVar[dict[str, Any]] = {}

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source's entries in the search path."""
        return "recipes"

    def available(self) -> bool:
        """Say whether the folder exists."""
        return Path(self.path).is_dir()

    def load_config(self, config_path: str) -> ConfigResult:
        """Load ``recipe/x`` from ``x.yaml``.

        Raises:
            ConfigError: it sets something that a recipe must not set.
            ConfigLoadError: there is no such file.
        """
        path = self._file(config_path)
        if not path.is_file():
            raise ConfigLoadError(f"Config not found : {path}")
        text = path.read_text()
        package = _PACKAGE.search(text)
        config = OmegaConf.load(path)
        assert isinstance(config, (DictConfig, ListConfig))
        if isinstance(config, DictConfig):
            _check_allowed(config, package[1] if package else None, display(path))
            for group, option in _overridden(config):
                if self.chosen.setdefault(group, option) != option:
                    config.pop(group, None)
        header = {"package": package[1] if package else None}
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header=header)

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is the group itself or a folder of recipes."""
        return config_path == "" or (_is_recipe(config_path) and (Path(self.path) / _inside(config_path)).is_dir())

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is a recipe."""
        return _is_recipe(config_path) and self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the recipes and folders in a folder, or of the group itself at the root."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [_GROUP]
        if not self.is_group(config_path):
            return []
        names: set[str] = set()
        for path in (Path(self.path) / _inside(config_path)).iterdir():
            if path.is_dir() and results_filter != ObjectType.CONFIG:
                names.add(path.name)
            if path.suffix == ".yaml" and results_filter != ObjectType.GROUP:
                names.add(path.stem)
        return sorted(names)

    def _file(self, config_path: str) -> Path:
        return Path(self.path) / f"{_inside(config_path).removesuffix('.yaml')}.yaml"


def _overridden(recipe: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield each group and option in the lines ``override /group: option`` of a recipe's defaults list."""
    defaults = recipe.get("defaults")
    for entry in defaults if isinstance(defaults, ListConfig) else ():
        for key, option in entry.items() if isinstance(entry, DictConfig) else ():
            if str(key).startswith("override /"):
                yield str(key).removeprefix("override /"), option


def _check_allowed(recipe: DictConfig, package: str | None, path: str) -> None:
    """Check that a recipe changes nothing of Hydra (launcher, callbacks, folders, search path) and stays in conf/.

    Raises:
        ConfigError: it does not, or its first line is not ``# @package _global_``.
    """
    defaults = recipe.get("defaults")
    entries = list(defaults) if isinstance(defaults, ListConfig) else []
    parts = [chain(*entry.items()) if isinstance(entry, DictConfig) else [entry] for entry in entries]
    named = [str(name) for names in parts for name in names]
    for name in [str(package), *map(str, recipe), *named]:
        if _FORBIDDEN.search(name):
            hint = "set Hydra's own keys on the command line: hydra/launcher=…"
            raise ConfigError(f"{path}: a recipe cannot set {name}", hint)
    if package != "_global_":
        raise ConfigError(f"{path}: the first line must be `# @package _global_`", "add that line")


def _is_recipe(config_path: str) -> bool:
    return config_path == _GROUP or config_path.startswith(f"{_GROUP}/")


def _inside(config_path: str) -> str:
    """Return the path of a recipe within the folder of recipes."""
    return config_path.removeprefix(_GROUP).removeprefix("/")


class OwnFolders(SearchPathPlugin):
    """Appends the user's ``./conf`` after the shipped one, and ``./recipes`` before the shipped recipes."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders to Hydra's search path."""
        for own in roots("conf")[1:]:
            search_path.append("own", f"file://{own}")
        for folder in reversed(roots("recipes")):
            search_path.append("recipes", f"recipes://{folder}")
