"""The options that fastrun adds to Hydra can be found with and without Hydra's table of classes."""

from __future__ import annotations

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.utils import get_class

from fastrun.compose.hydra_internals import offer_plugin
from fastrun.compose.launcher import FastrunLauncher


@pytest.mark.parametrize("has_table", [True, False])
def test_an_option_names_its_class(monkeypatch, has_table: bool) -> None:
    plugins = Plugins.instance()
    if has_table:
        monkeypatch.setattr(plugins, "class_name_to_class", dict(plugins.class_name_to_class))
    else:
        monkeypatch.delattr(plugins, "class_name_to_class")
    offer_plugin("launcher", "tried", FastrunLauncher)
    target = ConfigStore.instance().load("hydra/launcher/tried.yaml").node["_target_"]
    found = plugins.class_name_to_class[target] if has_table else get_class(target)
    assert found is FastrunLauncher
    assert issubclass(found, Launcher)
