"""What Hydra must know of fastrun before it composes."""

from __future__ import annotations

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from hydra.version import setbase
from omegaconf import OmegaConf

from fastrun.hydra_app.naming import name_of, slug
from fastrun.hydra_app.recipe_source import OwnFolders, RecipeSource, parsed
from fastrun.search.asked import Asked
from fastrun.settings import Settings


def register() -> None:
    """Register the schema, the recipes and the names; as often as one likes."""
    ConfigLoaderImpl._parse_overrides_and_create_caching_repo = parsed  # type: ignore[method-assign]
    from fastrun.hydra_app.launcher import OwnLauncher  # here, since both compose, for which they register
    from fastrun.hydra_app.searcher import OptunaSweeper
    from fastrun.hydra_app.sweeper import GridSweeper

    setbase("1.3")
    plugins = Plugins.instance()
    plugins.register(RecipeSource)
    plugins.register(OwnFolders)
    ConfigStore.instance().store("schema", Settings)
    _offer(plugins, "sweeper", "fastrun", GridSweeper)
    _offer(plugins, "sweeper", "optuna", OptunaSweeper, Asked)
    _offer(plugins, "launcher", "fastrun", OwnLauncher)
    OmegaConf.register_new_resolver("fastrun_name", name_of, replace=True)
    OmegaConf.register_new_resolver("fastrun_slug", slug, replace=True)


def _offer(plugins: Plugins, kind: str, name: str, plugin: type[Plugin], values: type | None = None) -> None:
    """Make a plugin the option ``hydra/kind=name``, as if it lay in the one package that Hydra takes plugins from."""
    target = f"hydra_plugins.fastrun.{kind}.{name}"
    plugins.class_name_to_class[target] = plugin
    node = OmegaConf.structured(values) if values else OmegaConf.create()
    OmegaConf.set_struct(node, False)
    node["_target_"] = target
    ConfigStore.instance().store(name, node, group=f"hydra/{kind}", provider="fastrun")
