"""The user's own folders of options and recipes in Hydra's search path."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.search_path_plugin import SearchPathPlugin

from fastrun.compose.folder_source import FolderSource
from fastrun.config import registry
from fastrun.config.paths import display, roots
from fastrun.config.settings import SEVERAL
from fastrun.errors import ConfigError

_FORBIDDEN_GROUPS = {
    "hydra": "set Hydra's own keys on the command line: hydra.launcher.n_jobs=2",
    "recipe": "recipes lie in recipes/",
}


class OptionSource(FolderSource):
    """Shows a folder of the user's options to Hydra, without groups of Hydra's and without recipes."""

    kind = "a config file"

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source's entries in the search path."""
        return "options"

    def place(self, config_path: str) -> Path | None:
        """Return the path of ``group/option`` in this folder.

        Raises:
            ConfigError: it is a file of a group that cannot be here. Hydra would prefer it to a shipped one.
        """
        group, _, option = config_path.partition("/")
        place = Path(self.path) / config_path
        if group not in _FORBIDDEN_GROUPS:
            return place
        file = place.with_name(f"{place.name}.yaml")
        if option and file.is_file():
            raise ConfigError(f"{display(file)}: a file cannot be in the group {group} here", _FORBIDDEN_GROUPS[group])
        return None

    def package_of(self, config_path: str) -> str | None:
        """Return the package of an option: its own name below a group of which several are chosen."""
        group, _, option = config_path.partition("/")
        return f"{group}.{option}" if group in SEVERAL else None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the options and groups in a folder."""
        return [
            name for name in super().list(config_path, results_filter) if config_path or name not in _FORBIDDEN_GROUPS
        ]


class UserFolders(SearchPathPlugin):
    """Appends the user's folders of options after the shipped one, and ``./recipes`` before the shipped recipes.

    Attributes:
        extra: the folder that the command line names beside ``./conf``. It belongs to the class because Hydra creates
            the object.
    """

    extra: ClassVar[Path | None] = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders to Hydra's search path."""
        for folder in roots("conf")[1:]:
            search_path.append("own", f"options://{folder}")
        if self.extra:
            search_path.append("command-line", f"options://{self.extra}")
        for folder in reversed(roots("recipes")):
            search_path.append("recipes", f"recipes://{folder}")


def note_unused_files(choices: Mapping[str, Any]) -> None:
    """Print a line about each file of the user's whose option is chosen, but is a shipped one of the same name.

    Args:
        choices: the chosen option of each group.
    """
    for folder in [*roots("conf")[1:], *filter(None, [UserFolders.extra])]:
        pairs = [(group, one) for group, chosen in choices.items() for one in _each(chosen)]
        for group, option in pairs:
            if note := registry.note_on_unused_file(group, option, folder):
                _print_once(note)


def _each(chosen: Any) -> list[str]:
    """Return the options of a choice, which is one, several or none."""
    return [chosen] if isinstance(chosen, str) else list(chosen or ())


@functools.cache
def _print_once(note: str) -> None:
    print(note, file=sys.stderr)


@contextmanager
def with_folder(folder: str | None) -> Iterator[None]:
    """Search for options in one more folder during a block.

    Raises:
        ConfigError: there is no such folder.
    """
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError(f"--config-dir: '{folder}' not found", "name a folder of options")
    UserFolders.extra = None if folder is None else Path(folder).absolute()
    try:
        yield
    finally:
        UserFolders.extra = None
