"""Which average a run gets, and what holds for each of them."""

import copy
import io

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.swa_utils import update_bn

from fastrun.components.ema import build_average
from fastrun.components.ema.swap import swapped
from fastrun.compose import compose
from fastrun.config.settings import EmaConfig
from fastrun.errors import ConfigError

KINDS = [EmaConfig(kind="ema", decay=0.9, every="2"), EmaConfig(kind="swa", start="20%", every="2")]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def train(net: nn.Module, averages, steps: range) -> None:
    """Take steps with noise for weights, each a function of its number."""
    for step in steps:
        torch.manual_seed(step)
        net.train()(torch.randn(8, 2, 4, 4))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randn_like(parameter))
        averages.step(step)


def test_none_is_no_average_at_all():
    assert build_average(EmaConfig(kind="none"), net(), 10, 100) is None


def test_lengths_are_counted_in_steps():
    ema = build_average(EmaConfig(kind="ema", every="0.5ep", decay=0.5, warmup=False), net(), 10, 100)
    assert [ema.share(step, 0) for step in (4, 5, 6)] == [0, 1 - 0.5**5, 0]
    swa = build_average(EmaConfig(kind="swa", every="1ep", start="75%", refit=7), net(), 10, 100)
    assert [step for step in range(1, 101) if swa.share(step, 0)] == [80, 90, 100]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (EmaConfig(kind="ema", every="0"), "ema.every=0 is less than a step"),
        (EmaConfig(kind="swa", every="often"), "ema.every=often is not a duration"),
        (EmaConfig(kind="swa", start="20ep"), "past the 100 steps"),
    ],
)
def test_lengths_that_are_none_are_refused(settings, match):
    with pytest.raises(ConfigError, match=match):
        build_average(settings, net(), 10, 100)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["ema=none"], EmaConfig()),
        (["ema=ema", "ema.every=3"], EmaConfig(kind="ema", every="3")),
        (["ema=swa", "ema.start=2ep"], EmaConfig(kind="swa", start="2ep", every="1ep", refit=50)),
    ],
)
def test_the_options_are_the_settings(overrides, expected):
    assert compose(overrides).ema == expected


@pytest.mark.parametrize(
    ("override", "match"),
    [("ema.decay=1", "in [0, 1)"), ("ema.decay=-0.1", "in [0, 1)"), ("ema.refit=-1", "the minimum")],
)
def test_values_out_of_range_are_refused(override, match):
    with pytest.raises(ConfigError) as error:
        compose(["ema=ema", override])
    assert match in (error.value.hint or "")


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: one.kind)
def test_before_the_first_update_there_is_nothing_to_evaluate_with(settings):
    own = net()
    averages = build_average(settings, own, 10, 10)
    train(own, averages, range(1, 2))
    assert averages.weights() == []


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: one.kind)
def test_the_network_itself_is_never_changed(settings):
    own, other = net(), net()
    averages = build_average(settings, own, 10, 10)
    train(own, averages, range(1, 11))
    train(other, build_average(EmaConfig(kind="ema", every="1000"), other, 10, 10), range(1, 11))
    assert all(torch.equal(a, b) for a, b in zip(own.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: one.kind)
def test_weights_pair_the_live_tensors_with_others_of_their_shape_and_layout(settings):
    own = net().to(memory_format=torch.channels_last)
    averages = build_average(settings, own, 10, 10)
    train(own, averages, range(1, 5))
    pairs = averages.weights()
    live = {id(tensor) for tensor in (*own.parameters(), *own.buffers()) if tensor.is_floating_point()}
    assert {id(tensor) for tensor, _ in pairs} == live
    assert len(pairs) == 8
    assert not {tensor.data_ptr() for tensor, _ in pairs} & {other.data_ptr() for _, other in pairs}
    assert all((tensor.shape, tensor.stride()) == (other.shape, other.stride()) for tensor, other in pairs)
    assert not any(other.requires_grad for _, other in pairs)


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: one.kind)
@pytest.mark.parametrize("cut", [0, 2, 5])  # before the first update of both, of one, and of none
def test_going_on_from_a_checkpoint_is_exact(settings, cut):
    whole = net()
    expected = build_average(settings, whole, 10, 10)
    train(whole, expected, range(1, 11))

    first = net()
    averages = build_average(settings, first, 10, 10)
    train(first, averages, range(1, cut + 1))
    file = io.BytesIO()
    torch.save({"net": first.state_dict(), "average": averages.state()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    second = net()
    again = build_average(settings, second, 10, 10)
    second.load_state_dict(saved["net"])
    again.load(saved["average"])
    assert len(again.weights()) == len(averages.weights())
    train(second, again, range(cut + 1, 11))
    pairs = list(zip(again.weights(), expected.weights(), strict=True))
    assert pairs
    assert all(torch.equal(own[1], other[1]) for own, other in pairs)


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: one.kind)
def test_buffers_that_are_no_statistics_are_left_out_and_frozen_weights_taken_in(settings):
    own = nn.Linear(2, 2)
    own.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    own.register_buffer("count", torch.tensor(3))
    own.weight.requires_grad_(False)
    averages = build_average(settings, own, 10, 10)
    for step in range(1, 5):
        averages.step(step)
    assert [id(live) for live, _ in averages.weights()] == [id(own.weight), id(own.bias)]


@pytest.mark.parametrize(
    ("net", "batches"),
    [
        (nn.BatchNorm1d(2), 5), (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 5),
        (nn.Linear(2, 2), 0), (nn.LayerNorm(2), 0), (nn.BatchNorm1d(2, track_running_stats=False), 0),
    ],
)  # fmt: skip
def test_only_networks_with_running_statistics_ask_for_batches(net, batches):
    averages = build_average(EmaConfig(kind="swa", start="0", refit=5), net, 10, 10)
    assert averages.batches_to_refit == 0  # of no average
    averages.step(1)
    assert averages.batches_to_refit == batches


def test_statistics_measured_for_the_average_are_kept_with_it_until_the_next_update():
    own = net()
    averages = build_average(EmaConfig(kind="swa", start="0", every="2", refit=2), own, 10, 10)
    train(own, averages, range(1, 5))
    batches = [torch.randn(8, 2, 4, 4) for _ in range(2)]
    twin = copy.deepcopy(own)
    with torch.no_grad(), swapped(averages.weights()):
        for live, other in zip(own.parameters(), twin.parameters(), strict=True):
            other.copy_(live)
        averages.refit(batches)
    update_bn(batches, twin)
    kept = {id(live): other for live, other in averages.weights()}
    torch.testing.assert_close(kept[id(own[1].running_mean)], twin[1].running_mean)
    torch.testing.assert_close(kept[id(own[1].running_var)], twin[1].running_var)
    assert torch.equal(kept[id(own[0].weight)], twin[0].weight)
    assert averages.batches_to_refit == 0
    again = build_average(EmaConfig(kind="swa", start="0", every="2", refit=2), own, 10, 10)
    again.load(averages.state())
    assert again.batches_to_refit == 0
    averages.step(5)
    assert averages.batches_to_refit == 0
    averages.step(6)
    assert averages.batches_to_refit == 2


def test_a_refit_leaves_the_live_statistics_as_they_were_once_they_are_swapped_back():
    own = net()
    averages = build_average(EmaConfig(kind="swa", start="0", refit=2), own, 10, 10)
    train(own, averages, range(1, 5))
    before = copy.deepcopy(own.state_dict())
    with swapped(averages.weights()):
        averages.refit([torch.randn(8, 2, 4, 4)])
        assert not torch.equal(own[1].running_mean, before["1.running_mean"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.state_dict().items())


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: one.kind)
def test_an_update_reads_no_value_back_so_that_nothing_waits_for_the_device(settings):
    with FakeTensorMode():  # which refuses whatever depends on a tensor's values
        own = nn.Linear(3, 3)
        averages = build_average(settings, own, 10, 10)
        for step in range(1, 7):
            averages.step(step)
    assert averages.updates == 3
