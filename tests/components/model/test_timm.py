import sys

import pytest
import torch
from torch import nn

from fastrun.components.model.timm import timm
from fastrun.config import instantiate
from fastrun.errors import ConfigError

TARGET = "fastrun.components.model.timm.timm"
zoo = pytest.mark.skipif(not instantiate.importlib.util.find_spec("timm"), reason="timm is not installed")


@zoo
@pytest.mark.parametrize("name", ["test_resnet", "test_resnet.r160_in1k", "test_vit"])
@pytest.mark.parametrize("in_shape", [(1, 32, 32), (3, 48, 64)])
def test_a_network_is_built_for_the_datas_channels_size_and_classes(name, in_shape):
    assert timm(in_shape, 4, name).eval()(torch.randn(2, *in_shape)).shape == (2, 4)


@zoo
def test_other_arguments_are_passed_on():
    bound = instantiate.bind("model", {"_target_": TARGET, "name": "test_resnet", "drop_rate": 0.25})
    assert bound(in_shape=(3, 32, 32), num_classes=2).drop_rate == 0.25
    assert timm((3, 32, 32), 2, "test_vit", img_size=(64, 64)).patch_embed.img_size == (64, 64)


@zoo
def test_the_weights_are_a_function_of_the_seed():
    def weights() -> torch.Tensor:
        torch.manual_seed(1)
        return nn.utils.parameters_to_vector(timm((1, 32, 32), 2, "test_resnet").parameters())

    assert torch.equal(weights(), weights())


@zoo
@pytest.mark.parametrize(
    ("name", "hint"),
    [("resnt18", "resnet18"), ("vit_tny_patch16_224", "vit_tiny_patch16_224"), ("hf-hub:me/mine", "timm.list_models")],
)
def test_the_nearest_names_are_offered_for_an_unknown_one(name, hint):
    with pytest.raises(ConfigError, match=rf"model\.name={name}: timm has no such network") as caught:
        timm((3, 32, 32), 2, name)
    assert hint in caught.value.hint


def test_pretrained_weights_are_left_to_transfer():
    with pytest.raises(ConfigError, match=r"model\.pretrained") as caught:
        timm((3, 32, 32), 2, "test_resnet", pretrained=True)
    assert "transfer=finetune" in caught.value.hint


def test_without_timm_the_hint_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match="needs the package timm") as caught:
        timm((3, 32, 32), 2, "resnet18")
    assert caught.value.hint == "pip install 'fastrun[vision]'"


@pytest.mark.parametrize("name", ["pretrained_cfg_overlay", "pretrained_cfg", "checkpoint_path", "cache_dir"])
def test_no_argument_names_weights_that_would_be_fetched_or_unpickled(name: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{name} is not an argument here"):
        timm((3, 32, 32), 10, **{name: "evil"})


@pytest.mark.parametrize("name", ["local-dir:/tmp/evil", "hf-hub:evil/net", "local-dir:/tmp/resnet18.a1_in1k"])
def test_a_name_is_one_of_timms_own(name: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ConfigError, match="timm has no such network"):
        timm((3, 32, 32), 10, name=name)
