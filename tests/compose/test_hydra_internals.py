"""The options that fastrun adds to Hydra can be found with and without Hydra's table of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.utils import get_class

import fastrun
from fastrun.compose import hydra_internals
from fastrun.compose.hydra_internals import composing_once, offer_plugin
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


@pytest.fixture
def composed(monkeypatch) -> list[object]:
    """The runs for which Hydra has composed a config."""
    found, compose = [], Hydra.compose_config
    monkeypatch.setattr(Hydra, "compose_config", lambda *given, **named: found.append(1) or compose(*given, **named))
    return found


@pytest.mark.parametrize("knows_mode", [True, False])
def test_a_run_is_composed_once_or_as_hydra_has_it(folder: Path, composed, monkeypatch, knows_mode: bool) -> None:
    if not knows_mode:
        monkeypatch.setattr(hydra_internals, "_get_mode", None)
    fastrun.train(["data=synthetic", "model=mlp", "steps=1"], quiet=True)
    assert len(composed) == (1 if knows_mode else 2)


@pytest.mark.parametrize("given", ["hydra.mode=MULTIRUN", "+hydra.mode=RUN", "hydra={mode:MULTIRUN}"])
def test_hydra_reads_a_mode_of_the_command_line_itself(given: str) -> None:
    get_mode = Hydra.get_mode
    with composing_once(["epochs=1", given]):
        assert Hydra.get_mode is get_mode


def test_only_the_first_question_is_answered_and_hydra_is_as_before() -> None:
    get_mode = Hydra.get_mode
    with composing_once(["epochs=1"]):
        assert Hydra.get_mode(None, "train", []) is None
        assert Hydra.get_mode is get_mode
    with composing_once([]):
        assert Hydra.get_mode is not get_mode
    assert Hydra.get_mode is get_mode
