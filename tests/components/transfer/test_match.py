"""How trained weights fit a network, and what is said where they do not."""

from __future__ import annotations

import re

import pytest
import timm
import torch
from torch import nn

from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.norm.layers import batch
from fastrun.components.transfer.match import load_weights
from fastrun.errors import CheckpointError


def small(classes: int = 10, channels: int = 1, width: int = 4, depth: int = 8) -> nn.Module:
    return resnet((channels, 8, 8), classes, depth, width, norm=batch)


def state_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def refusal(net: nn.Module, given: dict[str, torch.Tensor], rule: str = "name") -> str:
    """Load weights that do not fit; return what is said, the network unchanged."""
    before = state_of(net)
    with pytest.raises(CheckpointError) as caught:
        load_weights(net, given, rule, False, "weights.pt")
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    return caught.value.render()


@pytest.mark.parametrize("rule", ["name", "order"])
def test_the_same_network_is_loaded_whole(rule: str) -> None:
    given, net = state_of(small()), small()
    fit = load_weights(net, given, rule, False, "there")
    assert (len(fit.loaded), fit.total, fit.fresh) == (len(given), len(given), [])
    assert all(torch.equal(given[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("rule", ["name", "order"])
def test_a_head_for_other_classes_stays_as_initialized(rule: str) -> None:
    given, net = state_of(small(10)), small(5)
    own = state_of(net)
    fit = load_weights(net, given, rule, False, "there")
    assert fit.fresh == ["7.weight", "7.bias"]
    assert len(fit.loaded) == fit.total - 2
    for name, value in net.state_dict().items():
        assert torch.equal(value, (own if name in fit.fresh else given)[name]), name


def test_a_head_that_fits_is_left_out_if_asked_for() -> None:
    given, net = state_of(small()), small()
    own = state_of(net)
    assert load_weights(net, given, "name", True, "there").fresh == ["7.weight", "7.bias"]
    assert torch.equal(net[7].weight, own["7.weight"])
    assert torch.equal(net[0][0].weight, given["0.0.weight"])


@pytest.mark.parametrize("prefix", ["module.", "net.", "model.", "_orig_mod.", "module._orig_mod.", "net.module."])
def test_what_wrappers_put_before_names_comes_off(prefix: str) -> None:
    given, net = state_of(small()), small()
    load_weights(net, {prefix + name: value for name, value in given.items()}, "name", False, "there")
    assert all(torch.equal(given[name], value) for name, value in net.state_dict().items())


def test_a_name_that_begins_like_a_prefix_is_kept() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.head = nn.Linear(2, 2), nn.Linear(2, 2)

    given, own = state_of(Own()), Own()
    load_weights(own, {f"module.{name}": value for name, value in given.items()}, "name", False, "there")
    assert torch.equal(own.net.weight, given["net.weight"])


def test_a_compiled_part_within_a_network_is_found() -> None:
    given, net = state_of(small()), small()
    inner = {name.replace("2.conv1.", "2._orig_mod.conv1."): value for name, value in given.items()}
    assert inner.keys() != given.keys()
    assert len(load_weights(net, inner, "name", False, "there").loaded) == len(given)


def test_halves_are_loaded_in_the_networks_own_precision() -> None:
    given, net = state_of(small()), small()
    halves = {name: value.half() if value.is_floating_point() else value for name, value in given.items()}
    load_weights(net, halves, "name", False, "there")
    assert net[7].weight.dtype == torch.float32
    torch.testing.assert_close(net[7].weight.detach(), given["7.weight"], atol=1e-3, rtol=1e-3)


def test_counters_of_batch_norms_may_be_missing() -> None:
    given, net = state_of(small()), small()
    bare = {name: value for name, value in given.items() if not name.endswith("num_batches_tracked")}
    for rule in ("name", "order"):
        assert len(load_weights(net, bare, rule, False, "there").loaded) == len(bare) < len(given)


def test_the_order_serves_where_names_differ() -> None:
    given, net = state_of(small(10)), small(3)
    renamed = {f"tensor{place}": value for place, value in enumerate(given.values())}
    said = refusal(net, renamed)
    assert "it has none of the model's" in said
    assert "transfer.match=order" in said
    assert len(load_weights(net, renamed, "order", False, "there").loaded) == len(given) - 2


def test_a_refusal_names_the_keys_and_counts_them() -> None:
    net = small(width=8)
    said = refusal(net, state_of(small(width=4)))
    same = sum(value.shape == small(width=4).state_dict()[name].shape for name, value in net.state_dict().items())
    assert f"has {same} of the model's {len(net.state_dict())} tensors" in said
    assert "0.0.weight is [4, 1, 3, 3], in the model [8, 1, 3, 3]" in said
    assert re.search(r"; \d+ more", said)
    assert said.count("\n") == 1


def test_a_deeper_network_is_another_one() -> None:
    assert re.search(r"23 of the model's 92 tensors; .* 64 more", refusal(small(depth=14), state_of(small())))
    given = state_of(mlp((4,), 3, (6, 6, 6)))
    assert "7.weight is not in the model" in refusal(mlp((4,), 3, (6, 6)), given)
    said = refusal(mlp((4,), 3, (6, 6, 6)), state_of(mlp((4,), 3, (6, 6))))
    assert "5.weight is [3, 6], in the model [6, 6]" in said


def test_what_the_source_has_beside_its_own_head_is_not_dropped_in_silence() -> None:
    given = state_of(small(10)) | {"7.more": torch.ones(1)}
    assert "7.more is not in the model" in refusal(small(10), given)
    assert "7.more is not in the model" in refusal(small(5), given)


def test_a_head_of_another_name_is_the_sources_own() -> None:
    given = state_of(small(10))
    renamed = {name.replace("7.", "classifier."): value for name, value in given.items()}
    fit = load_weights(small(10), renamed, "name", False, "there")
    assert fit.fresh == ["7.weight", "7.bias"]


def test_other_channels_say_so() -> None:
    said = refusal(small(channels=1), state_of(small(channels=3)))
    assert "0.0.weight is [4, 3, 3, 3], in the model [4, 1, 3, 3]" in said
    assert "images of 3 channels" in said


def test_another_image_size_of_a_transformer_says_so() -> None:
    own = {"depth": 1, "num_classes": 3}
    there = timm.create_model("vit_tiny_patch16_224", img_size=32, **own)
    here = timm.create_model("vit_tiny_patch16_224", img_size=48, **own)
    said = refusal(here, state_of(there))
    assert "pos_embed is [1, 5, 192], in the model [1, 10, 192]" in said
    assert "of the size that the weights were trained with" in said


def test_orders_of_different_lengths_are_refused() -> None:
    given = state_of(mlp((4,), 3, (6, 6)))
    assert "is missing" in refusal(mlp((4,), 3, (6, 6)), dict(list(given.items())[:-3]), "order")
    assert "extra is not in the model" in refusal(mlp((4,), 3, (6, 6)), given | {"extra": torch.ones(2)}, "order")


def test_weights_of_nothing_here_are_refused() -> None:
    assert "none of the model's" in refusal(nn.Linear(2, 3), {"weight": torch.ones(4, 4)})
