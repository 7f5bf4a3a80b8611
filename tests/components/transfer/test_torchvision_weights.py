"""Weights of torchvision by name: found in its cache, and refused in a line where they cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastrun.components.transfer import torchvision_weights
from fastrun.components.transfer.torchvision_weights import weights_of_torchvision
from fastrun.errors import ConfigError, DataError

pytest.importorskip("torchvision")


def test_weights_that_are_not_known_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="torchvision has no such network") as error:
        weights_of_torchvision("resnet81")
    assert "resnet18" in (error.value.hint or "")
    with pytest.raises(ConfigError, match="resnet18 has no such weights") as error:
        weights_of_torchvision("resnet18/IMAGENET2")
    assert error.value.hint == "it has IMAGENET1K_V1"


def test_without_a_network_the_weights_are_refused_in_a_line(tmp_path: Path, monkeypatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torchvision_weights.urllib.request, "urlopen", unreachable)
    with pytest.raises(DataError, match="torchvision:resnet18/IMAGENET1K_V1 are not on this machine"):
        weights_of_torchvision("resnet18/IMAGENET1K_V1")
