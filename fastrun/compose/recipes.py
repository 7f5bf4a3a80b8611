"""The source of recipes for Hydra."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.object_type import ObjectType
from omegaconf import DictConfig, ListConfig, OmegaConf

from fastrun.compose.file_checks import check_references
from fastrun.compose.folder_source import FolderSource
from fastrun.config.paths import display, shipped
from fastrun.errors import ConfigError

_GROUP = "recipe"


class RecipeSource(FolderSource):
    """Shows a ``recipes/`` folder to Hydra as the group ``recipe``.

    The values of a recipe for a group belong to the option that the recipe chooses there. If the command line, or a
    recipe that extends it, chooses another option, the values are left out.

    Attributes:
        chosen: the option of each group in the config being composed; the first choice counts. It belongs to the class
            because Hydra creates the objects, a new one for each folder and composition, from nothing but the folder.
    """

    kind = "a recipe"
    chosen: ClassVar[dict[str, Any]] = {}

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source's entries in the search path."""
        return "recipes"

    def place(self, config_path: str) -> Path | None:
        """Return where ``recipe/x`` lies: in ``x``."""
        if config_path != _GROUP and not config_path.startswith(f"{_GROUP}/"):
            return None
        return Path(self.path) / config_path.removeprefix(_GROUP).removeprefix("/")

    def check(self, config: DictConfig, package: str | None, path: Path) -> None:
        """Check a recipe, and leave out of it the values of options that others replace.

        Raises:
            ConfigError: it sets something of Hydra's, refers to more than other values, or its first line is not
                ``# @package _global_``.
        """
        super().check(config, package, path)
        check_references(OmegaConf.to_container(config), display(path), self.kind)
        if package != "_global_":
            raise ConfigError(f"{display(path)}: the first line must be `# @package _global_`", "add that line")
        for group, option in _overridden(config):
            if self.chosen.setdefault(group, option) != option:
                config.pop(group, None)
        hidden = shipped("recipes") / path.relative_to(self.path)
        if hidden != path and hidden.is_file():
            _say_hidden(path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the recipes and folders in a folder, or of the group itself at the root."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [_GROUP]
        return super().list(config_path, results_filter)


@functools.cache
def _say_hidden(path: Path) -> None:
    print(f"note: {display(path)} is used in place of the recipe of that name that fastrun ships", file=sys.stderr)


def _overridden(recipe: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield each group and option in the lines ``override /group: option`` of a recipe's defaults list."""
    defaults = recipe.get("defaults")
    for entry in defaults if isinstance(defaults, ListConfig) else ():
        for key, option in entry.items() if isinstance(entry, DictConfig) else ():
            if str(key).startswith("override /"):
                yield str(key).removeprefix("override /"), option
