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
from fastrun.settings import Settings


def register() -> None:
    """Register the schema, the recipes and the names; as often as one likes."""
    ConfigLoaderImpl._parse_overrides_and_create_caching_repo = parsed  # type: ignore[method-assign]
    from fastrun.hydra_app.launcher import OwnLauncher  # here, since both compose, for which they register
    from fastrun.hydra_app.sweeper import GridSweeper

    setbase("1.3")
    plugins = Plugins.instance()
    plugins.register(RecipeSource)
    plugins.register(OwnFolders)
    ConfigStore.instance().store("schema", Settings)
    for kind, plugin in (("sweeper", GridSweeper), ("launcher", OwnLauncher)):
        _offer(plugins, kind, "fastrun", plugin)
    OmegaConf.register_new_resolver("fastrun_name", name_of, replace=True)
    OmegaConf.register_new_resolver("fastrun_slug", slug, replace=True)


def _offer(plugins: Plugins, kind: str, name: str, plugin: type[Plugin]) -> None:
    """Make a plugin the option ``hydra/kind=name``, as if it lay in the one package that Hydra takes plugins from."""
    target = f"hydra_plugins.fastrun.{kind}.{name}"
    plugins.class_name_to_class[target] = plugin
    ConfigStore.instance().store(name, {"_target_": target}, group=f"hydra/{kind}", provider="fastrun")
