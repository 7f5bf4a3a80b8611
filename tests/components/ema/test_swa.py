import pytest
import torch
from torch import nn

from fastrun.components.ema.running import Average
from fastrun.components.ema.swa import snapshots


@pytest.mark.parametrize(
    ("start", "every", "total", "taken"),
    [
        (1, 1, 10, range(1, 11)),
        (5, 1, 10, range(5, 11)),
        (6, 3, 12, [6, 9, 12]),
        (7, 3, 12, [9, 12]),
        (7, 3, 11, [9, 11]),  # the last step counts, wherever it falls
        (10, 3, 10, [10]),
        (0, 100, 10, [10]),
    ],
)
def test_the_average_is_the_mean_of_the_snapshots(start, every, total, taken):
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    swa = Average(net, snapshots(start, every, total), refit=5)
    seen = []
    for step in range(1, total + 1):
        with torch.no_grad():
            net.weight.copy_(torch.randn(2, 3))
        swa.step(step)
        if step in taken:
            seen.append(net.weight.detach().clone())
        if seen:
            torch.testing.assert_close(swa.weights()[0][1], torch.stack(seen).mean(0))
        else:
            assert swa.weights() == []
    assert swa.updates == len(taken)


def test_it_is_torchs_average():
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    swa, theirs = Average(net, snapshots(1, 1, 10), refit=5), torch.optim.swa_utils.AveragedModel(net)
    for step in range(1, 11):
        nn.init.normal_(net.weight)
        swa.step(step)
        theirs.update_parameters(net)
    torch.testing.assert_close(swa.weights()[0][1], theirs.module.weight.detach())
