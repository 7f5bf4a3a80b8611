"""Registration with Hydra of what fastrun adds to it."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.version import setbase
from omegaconf import OmegaConf

from fastrun.compose.hydra_internals import offer_plugin
from fastrun.compose.launcher import FastrunLauncher
from fastrun.compose.naming import name_of, slug
from fastrun.compose.optuna_sweeper import OptunaSweeper
from fastrun.compose.ray_launcher import RayLauncher
from fastrun.compose.recipes import RecipeSource
from fastrun.compose.search.optuna_config import OptunaConfig
from fastrun.compose.submitit_launcher import SubmititLocal, SubmititSlurm
from fastrun.compose.sweeper import GridSweeper
from fastrun.compose.user_folders import OptionSource, UserFolders
from fastrun.config.ray import RayConfig
from fastrun.config.settings import Settings
from fastrun.config.submitit import LocalQueue, SlurmQueue


def register() -> None:
    """Register the schema, sources of configs, sweepers, the launcher and resolvers; it may be called again."""
    setbase("1.3")
    plugins = Plugins.instance()
    plugins.register(OptionSource)
    plugins.register(RecipeSource)
    plugins.register(UserFolders)
    ConfigStore.instance().store("schema", Settings)
    offer_plugin("sweeper", "fastrun", GridSweeper)
    offer_plugin("sweeper", "optuna", OptunaSweeper, OptunaConfig)
    offer_plugin("launcher", "fastrun", FastrunLauncher)
    offer_plugin("launcher", "ray", RayLauncher, RayConfig)
    offer_plugin("launcher", "submitit_local", SubmititLocal, LocalQueue)
    offer_plugin("launcher", "submitit_slurm", SubmititSlurm, SlurmQueue)
    OmegaConf.register_new_resolver("fastrun_name", name_of, replace=True)
    OmegaConf.register_new_resolver("fastrun_slug", slug, replace=True)
