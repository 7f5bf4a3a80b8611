"""What Hydra must know of fastrun before it composes."""

from __future__ import annotations

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.version import setbase
from omegaconf import OmegaConf

from fastrun.hydra_app.naming import name_of, slug
from fastrun.hydra_app.recipe_source import OwnFolders, RecipeSource, parsed
from fastrun.settings import Settings


def register() -> None:
    """Register the schema, the recipes and the names; as often as one likes."""
    ConfigLoaderImpl._parse_overrides_and_create_caching_repo = parsed  # type: ignore[method-assign]
    setbase("1.3")
    plugins = Plugins.instance()
    plugins.register(RecipeSource)
    plugins.register(OwnFolders)
    ConfigStore.instance().store("schema", Settings)
    OmegaConf.register_new_resolver("fastrun_name", name_of, replace=True)
    OmegaConf.register_new_resolver("fastrun_slug", slug, replace=True)
