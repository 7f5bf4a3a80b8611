"""timm's weights: the cache, a file in place of a download, and one line where neither is there."""

from __future__ import annotations

import socket
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from fastrun.components.transfer import pretrained
from fastrun.errors import ConfigError, DataError


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """No network, and an empty cache; returns the addresses that were asked for."""
    asked: list[str] = []

    def refuse(request: Any, timeout: float) -> None:
        assert timeout <= 10
        asked.append(request.full_url)
        raise urllib.error.URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return asked


def test_offline_it_says_which_file_to_fetch_from_where(offline: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        pretrained.weights_of_timm("resnet18")
    said = caught.value.render()
    (address,) = offline
    assert address.endswith("/timm/resnet18.a1_in1k/resolve/main/model.safetensors")
    assert f"download {address}" in said
    assert "set transfer.source to that file" in said
    assert "Name or service not known" in said
    assert said.count("\n") == 1
    assert caught.value.exit_code == 3


def test_told_to_stay_offline_it_asks_nobody(offline: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="are not on this machine and cannot be downloaded"):
        pretrained.weights_of_timm("test_resnet")
    assert offline == []


def test_a_network_of_timm_asks_for_its_own(offline: list[str]) -> None:
    net = nn.Sequential(nn.Identity(), timm.create_model("tf_efficientnet_lite0", num_classes=3))
    with pytest.raises(DataError, match=r"timm:tf_efficientnet_lite0\.in1k"):
        pretrained.weights_of_network(net)
    assert len(offline) == 1


def test_a_network_of_nobody_has_none() -> None:
    with pytest.raises(ConfigError, match="networks of timm only"):
        pretrained.weights_of_network(nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("resnet19", "no such network", "did you mean resnet1"),
        ("resnet18.nonsense", "no weights", "did you mean resnet18."),
        (next(name for name in timm.list_models() if not timm.is_model_pretrained(name)), "no weights", ""),
    ],
)
def test_an_unknown_name_gets_the_nearest(offline: list[str], name: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        pretrained.weights_of_timm(name)
    assert hint in caught.value.render()
    assert offline == []


def test_weights_in_the_cache_need_no_network(offline: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = timm.create_model("test_resnet")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: f"/cache/{file}")
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: made.state_dict())
    found, origin = pretrained.weights_of_network(timm.create_model("test_resnet", num_classes=3))
    assert offline == []
    assert origin == "timm:test_resnet.r160_in1k"
    assert torch.equal(found["fc.weight"], made.fc.weight)


def test_a_download_that_fails_halfway_says_the_same(offline: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("gone")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: f"/cache/{file}")
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fail)
    with pytest.raises(DataError, match="cannot be downloaded: gone"):
        pretrained.weights_of_timm("test_resnet")


@pytest.mark.parametrize("name", ["local-dir:/tmp/evil", "local-dir:/tmp/resnet18.a1_in1k", "hf-hub:evil/resnet18"])
def test_weights_are_of_timms_own_networks_only(offline: list[str], name: str) -> None:
    with pytest.raises(ConfigError, match="timm has no such network"):
        pretrained.weights_of_timm(name)
    assert offline == []
