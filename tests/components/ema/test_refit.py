import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from fastrun.components.ema.refit import refit


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, momentum=None),
        nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5, affine=False),
    )  # fmt: skip


def batches(count: int = 4) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [3 * torch.randn(8, 2, 4, 4) + index for index in range(count)]


def statistics(net: nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in net.named_buffers() if "running" in name]


@pytest.mark.parametrize("count", [1, 4])
def test_statistics_are_those_of_update_bn(count):
    ours, theirs = net(), net()
    ours(torch.randn(8, 2, 4, 4))  # what was measured before does not count
    refit(ours, batches(count))
    update_bn(batches(count), theirs)
    assert len(statistics(ours)) == 6
    for own, other in zip(statistics(ours), statistics(theirs), strict=True):
        torch.testing.assert_close(own, other)


def test_all_but_running_means_and_variances_is_what_it_was():
    own = net()
    own(torch.randn(8, 2, 4, 4))
    own[4].eval()
    before = copy.deepcopy(own)
    refit(own, iter(batches()))
    for name, tensor in own.state_dict().items():
        assert torch.equal(tensor, before.state_dict()[name]) != ("running" in name)
    assert [module.training for module in own.modules()] == [module.training for module in before.modules()]
    assert [own[index].momentum for index in (1, 4, 7)] == [0.1, None, 0.1]
    assert not any(parameter.grad is not None for parameter in own.parameters())


def test_no_batches_change_nothing():
    own = net()
    own(torch.randn(8, 2, 4, 4))
    before = statistics(own)
    refit(own, [])
    assert all(torch.equal(a, b) for a, b in zip(before, statistics(own), strict=True))


def test_dropout_is_off_so_that_nothing_is_random():
    own, plain = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)), nn.Sequential(nn.Identity(), nn.BatchNorm1d(3))
    x = torch.randn(16, 3)
    state = torch.get_rng_state()
    refit(own, [x])
    refit(plain, [x])
    assert torch.equal(own[1].running_mean, plain[1].running_mean)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_without_batch_norms_is_not_even_called():
    def inputs():
        raise AssertionError("a batch was read")
        yield

    refit(nn.Linear(2, 2), inputs())


def test_modes_come_back_when_a_batch_does_not_fit():
    own = net()
    with pytest.raises(RuntimeError):
        refit(own, [torch.randn(8, 3, 4, 4)])
    assert own.training
    assert own[1].momentum == 0.1


def test_it_works_within_inference_mode():
    own, other = net(), net()
    with torch.inference_mode():
        refit(own, batches())
    refit(other, batches())
    assert all(torch.equal(a, b) for a, b in zip(statistics(own), statistics(other), strict=True))
    own.train()(batches(1)[0]).sum().backward()
