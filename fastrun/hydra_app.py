"""Composing configs: the only module that imports Hydra."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.utils import _run_hydra, get_args_parser
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.version import setbase
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fastrun.errors import ConfigError, Interrupted, StorageError, UsageError
from fastrun.paths import roots, shipped
from fastrun.refusal import refusal, unknown
from fastrun.rundir import check_name, stamp
from fastrun.settings import Settings, check

Job = Callable[[Settings, Path, list[str]], Any]


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


def _parsed(self: ConfigLoaderImpl, config_name: str | None, overrides: list[str]) -> Any:
    """Begin composing a config, one of several in a sweep: note what its command line chooses."""
    found, repository = _parse(self, config_name, overrides)
    RecipeSource.chosen = {one.key_or_group: one.value() for one in found if not one.is_sweep_override()}
    return found, repository


_parse = ConfigLoaderImpl._parse_overrides_and_create_caching_repo


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


def _name(_root_: DictConfig) -> str:
    """Return the run's name: as set, else its recipes', else ``train``."""
    if _root_.get("name"):
        return check_name(str(_root_["name"]))
    recipe = OmegaConf.select(_root_, "hydra.runtime.choices.recipe")
    recipes = recipe if isinstance(recipe, Sequence) and not isinstance(recipe, str) else [recipe or "train"]
    return check_name("+".join(str(one).replace("/", "-") for one in recipes))


def _slug(text: str) -> str:
    """Return overrides as a folder's name, cut where a file system would refuse it."""
    return "".join(c if c.isalnum() or c in "=,.+-_" else "_" for c in text)[:80] or "defaults"


def _register() -> None:
    ConfigLoaderImpl._parse_overrides_and_create_caching_repo = _parsed  # type: ignore[method-assign]
    setbase("1.3")
    plugins = Plugins.instance()
    plugins.register(RecipeSource)
    plugins.register(OwnFolders)
    ConfigStore.instance().store("schema", Settings)
    OmegaConf.register_new_resolver("fastrun_name", _name, replace=True)
    OmegaConf.register_new_resolver("fastrun_slug", _slug, replace=True)


def run(arguments: list[str], job: Job) -> None:
    """Compose what a command line says, in the whole of Hydra's grammar, and hand each job its settings and folder.

    Raises:
        UsageError: an unknown flag.
        ConfigError: a recipe, group, option, key or value that does not fit.
        StorageError: the output folder cannot be made.
    """
    _register()
    failed: list[Exception] = []

    def task(config: DictConfig) -> Any:
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        try:
            settings = typed(config, dict(hydra.runtime.choices))
            return job(settings, folder, list(hydra.overrides.task))
        except Exception as error:  # carried past Hydra, which would print it
            failed.append(error)
            with suppress(OSError):
                folder.rmdir()  # only if nothing has been written there
            if isinstance(error, Interrupted):
                raise _Stop from error
            return None

    mark = stamp()
    places = [
        f"hydra.run.dir=${{outputs}}/${{fastrun_name:}}/{mark}",
        f"hydra.sweep.dir=${{outputs}}/${{fastrun_name:}}/sweep-{mark}",
    ]
    parser = _parser()
    parsed = parser.parse_intermixed_args(arguments)
    parsed.overrides = [*places, *parsed.overrides]
    if parsed.shell_completion or parsed.info:
        parsed.overrides = parsed.overrides[len(places) :]
    with _translated(parsed.overrides):
        with _raising(), suppress(_Stop):
            _run_hydra(parsed, parser, task, str(shipped("conf")), "train")
        if failed:
            raise failed[0]


def compose(overrides: list[str]) -> Settings:
    """Compose settings without running anything.

    Raises:
        ConfigError: a recipe, group, option, key or value that does not fit.
    """
    _register()
    GlobalHydra.instance().clear()
    with _translated(overrides), initialize_config_dir(str(shipped("conf")), version_base="1.3"):
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
    with _translated(overrides):
        merged = OmegaConf.merge(OmegaConf.structured(Settings), config)
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
    settings = OmegaConf.to_object(config)
    assert isinstance(settings, Settings)
    plain = {group: list(c) if not isinstance(c, (str, type(None))) else c for group, c in choices.items()}
    settings.choices = {group: c for group, c in plain.items() if not group.startswith("hydra/")}
    check(settings)
    return settings


def _closed(config: Any) -> Iterator[tuple[tuple[str, ...], Any, type]]:
    """Yield the closed groups: where, what was composed, and the dataclass that it must be."""
    for entry in fields(Settings):
        if is_dataclass(entry.default_factory):
            yield (entry.name,), config[entry.name], entry.default_factory


class _Stop(BaseException):
    """Ends a sweep at once, past Hydra, which would go on with the next job."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "see `fastrun train --help`")


def _parser() -> argparse.ArgumentParser:
    parser = get_args_parser()
    parser.__class__ = _Parser
    parser.prog = "fastrun train"
    return parser


@contextmanager
def _raising() -> Iterator[None]:
    """Have Hydra raise what goes wrong instead of printing it and leaving."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before
        sys.stdout.flush()


@contextmanager
def _translated(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into one line with a hint."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise refusal(error, overrides) from error
    except yaml.MarkedYAMLError as error:
        where = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}" if error.problem_mark else "a config"
        raise ConfigError(f"{where}: {error.problem}", "YAML wants `key: value`, indented with spaces") from error
    except OSError as error:
        raise StorageError(
            f"cannot write {error.filename}: {error.strerror}", "choose another place: outputs=…"
        ) from error
