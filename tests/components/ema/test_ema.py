import pytest
import torch
from torch import nn

from fastrun.components.ema.ema import exponential
from fastrun.components.ema.running import Average


def trace(ema: Average, layer: nn.Linear, values: list[float]) -> list[float]:
    """The average after each step, whose weight is the value."""
    seen = []
    for step, value in enumerate(values, start=1):
        nn.init.constant_(layer.weight, value)
        ema.step(step)
        seen.append(ema.weights()[0][1].item() if ema.weights() else None)
    return seen


def layer() -> nn.Linear:
    return nn.Linear(1, 1, bias=False)


VALUES = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0, 5.0, 3.0]


def test_ten_steps_by_hand():
    own = layer()
    expected, average = [], VALUES[0]
    for value in VALUES:
        average = 0.8 * average + 0.2 * value
        expected.append(average)
    assert trace(Average(own, exponential(0.8, 1, warmup=False), refit=0), own, VALUES) == pytest.approx(
        expected, rel=1e-5
    )


def test_ten_steps_with_a_warmup_by_hand():
    own = layer()
    expected, average = [], VALUES[0]
    for step, value in enumerate(VALUES, start=1):
        kept = min(0.5, (1 + step) / (10 + step))  # 2/11, 3/12, 4/13 … and from step 8 on a half
        average = kept * average + (1 - kept) * value
        expected.append(average)
    assert trace(Average(own, exponential(0.5, 1, warmup=True), refit=0), own, VALUES) == pytest.approx(
        expected, rel=1e-5
    )


def test_it_is_torchs_average_from_the_first_step_on():
    own, twin = (
        layer(),
        torch.optim.swa_utils.AveragedModel(layer(), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)),
    )
    expected = []
    for value in VALUES:
        nn.init.constant_(own.weight, value)
        twin.update_parameters(own)
        expected.append(twin.module.weight.item())
    assert trace(Average(own, exponential(0.9, 1, warmup=False), refit=0), own, VALUES) == pytest.approx(
        expected, rel=1e-5
    )


def test_every_so_many_steps_as_much_is_kept_as_in_that_many_steps():
    own = layer()
    ema = Average(own, exponential(0.9, 3, warmup=False), refit=0)
    seen = trace(ema, own, VALUES)
    assert 1 - ema.share(3, 0) == pytest.approx(0.9**3)
    assert ema.updates == 3
    second = 0.729 * 4 + 0.271 * 9
    third = 0.729 * second + 0.271 * 5
    expected = [4, 4, 4, second, second, second, third, third]
    assert seen[:2] == [None, None]
    assert seen[2:] == pytest.approx(expected, rel=1e-5)


def test_decay_is_the_limit_of_the_warmup():
    share = exponential(0.999, 1, warmup=True)
    assert [1 - share(step, 0) for step in (1, 10, 90)] == pytest.approx([2 / 11, 11 / 20, 0.91])
    assert share(1_000_000, 0) == 1 - 0.999


def test_statistics_of_batch_norms_are_averaged_and_their_counts_are_not():
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3)
    ema = Average(norm, exponential(0.5, 1, warmup=False), refit=0)
    means = []
    for step in (1, 2, 3):
        norm(torch.randn(8, 3) + step)
        means.append(norm.running_mean.clone())
        ema.step(step)
    averaged = {id(live): other for live, other in ema.weights()}
    expected = 0.5 * (0.5 * means[0] + 0.5 * means[1]) + 0.5 * means[2]
    torch.testing.assert_close(averaged[id(norm.running_mean)], expected)
    assert id(norm.running_var) in averaged
    assert id(norm.num_batches_tracked) not in averaged
