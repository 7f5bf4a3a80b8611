import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from fastrun import metric
from fastrun.metric import Known, Metrics, known

ACC, LOSS = Known("val/acc", True), Known("val/loss", False)


def outputs(sizes, classes: int = 5, seed: int = 0):
    random = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, classes, generator=random), torch.randint(classes, (size,), generator=random))
        for size in sizes
    ]


def whole(pairs):
    return (torch.cat(parts) for parts in zip(*pairs, strict=True))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from([1, 20, 1 << 22]))
def test_loss_and_accuracy_are_over_samples_however_they_are_batched_and_held(sizes, piece):
    pairs = outputs(sizes)
    logits, y = whole(pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric, "_PIECE", piece)
        measured = Metrics(cross_entropy, 5).measure(iter(pairs))
    assert measured["loss"] == pytest.approx(cross_entropy(logits, y).item(), rel=1e-5)
    assert measured["acc"] == pytest.approx((logits.argmax(1) == y).float().mean().item())


def test_a_second_measurement_knows_nothing_of_the_first():
    metrics = Metrics(cross_entropy, 5)
    metrics.measure(outputs([8], seed=1))
    assert metrics.measure(outputs([8], seed=2)) == Metrics(cross_entropy, 5).measure(outputs([8], seed=2))


def test_the_loss_of_half_precision_logits_is_summed_in_full_precision():
    pairs = [(logits.bfloat16(), y) for logits, y in outputs([64])]
    logits, y = whole(pairs)
    measured = Metrics(cross_entropy, 5).measure(pairs)
    assert measured["loss"] == pytest.approx(cross_entropy(logits.float(), y).item(), rel=1e-6)


def test_a_loss_that_is_not_a_number_stays_one():
    measured = Metrics(cross_entropy, 5).measure([(torch.full((2, 5), math.nan), torch.tensor([0, 1]))])
    assert math.isnan(measured["loss"])


def test_what_is_known_is_what_is_measured():
    measured = Metrics(cross_entropy, 5).measure(outputs([4]))
    assert set(known()) == {f"val/{name}" for name in measured}
    assert [(one.name, one.higher_is_better) for one in known().values()] == [("val/loss", False), ("val/acc", True)]


@pytest.mark.parametrize(
    ("one", "value", "than", "by", "is_better"),
    [
        (ACC, 0.9, 0.8, 0.0, True),
        (ACC, 0.8, 0.8, 0.0, False),
        (ACC, 0.75, 0.5, 0.25, False),
        (LOSS, 0.8, 0.9, 0.0, True),
        (LOSS, 0.9, 0.8, 0.0, False),
        (LOSS, 0.5, 0.75, 0.25, False),
        (LOSS, 0.25, 0.75, 0.25, True),
        (ACC, math.nan, 0.1, 0.0, False),
        (LOSS, math.nan, 0.1, 0.0, False),
    ],
)
def test_better_is_by_more_than_the_least_improvement_in_the_metrics_direction(one, value, than, by, is_better):
    assert one.better(value, than, by) is is_better


@pytest.mark.parametrize(
    ("one", "value", "reached"),
    [(ACC, 0.9, True), (ACC, 0.89, False), (LOSS, 0.9, True), (LOSS, 0.91, False), (ACC, math.nan, False)],
)
def test_a_target_is_reached_at_its_value_or_past_it(one, value, reached):
    assert one.reaches(value, 0.9) is reached
