"""A folder of the user's as Hydra sees it: each file is checked before Hydra has it."""

from __future__ import annotations

import re
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import DictConfig, ListConfig, OmegaConf

from fastrun.compose.file_checks import check_names
from fastrun.config.paths import display

_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)\s*$", re.M)


class FolderSource(ConfigSource):
    """Shows a folder of YAML files to Hydra.

    Attributes:
        kind: what a file of the folder is, for messages.
    """

    kind: ClassVar[str]

    @abstractmethod
    def place(self, config_path: str) -> Path | None:
        """Return where a config or group would lie, without ``.yaml``; None where it is not of this source."""

    def package_of(self, config_path: str) -> str | None:
        """Return where the content of a file goes that does not say so; None for the name of its group."""
        return None

    def check(self, config: DictConfig, package: str | None, path: Path) -> None:
        """Check a file, and leave out of it what does not count.

        Raises:
            ConfigError: it sets something that it must not set.
        """
        content = OmegaConf.to_container(config)
        assert isinstance(content, dict)
        check_names(content, package, display(path), self.kind)

    def available(self) -> bool:
        """Say whether the folder exists."""
        return Path(self.path).is_dir()

    def load_config(self, config_path: str) -> ConfigResult:
        """Load and check a file of the folder.

        Raises:
            ConfigError: it sets something that it must not set.
            ConfigLoadError: there is no such file.
        """
        path = self._file(config_path)
        if path is None or not path.is_file():
            raise ConfigLoadError(f"Config not found : {path}")
        found = _PACKAGE.search(path.read_text())
        package = found[1] if found else self.package_of(config_path.removesuffix(".yaml"))
        config = OmegaConf.load(path)
        assert isinstance(config, (DictConfig, ListConfig))
        if isinstance(config, DictConfig):
            self.check(config, package, path)
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header={"package": package})

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is the root or a folder in it."""
        place = self.place(config_path)
        return config_path == "" or (place is not None and place.is_dir())

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is a file in the folder."""
        path = self._file(config_path)
        return path is not None and path.is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the files and folders in a folder."""
        place = self.place(config_path)
        if place is None or not place.is_dir():
            return []
        names: set[str] = set()
        for path in place.iterdir():
            if path.is_dir() and results_filter != ObjectType.CONFIG:
                names.add(path.name)
            if path.suffix == ".yaml" and results_filter != ObjectType.GROUP:
                names.add(path.stem)
        return sorted(names)

    def _file(self, config_path: str) -> Path | None:
        place = self.place(config_path.removesuffix(".yaml"))
        return None if place is None else place.with_name(f"{place.name}.yaml")
