import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import CrossEntropyLoss
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_f1_score,
    multiclass_jaccard_index,
    multilabel_average_precision,
    multilabel_exact_match,
    multilabel_f1_score,
)
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchmetrics.functional.text import perplexity

from fastrun.components.metrics import Metrics, metric_names, monitors
from fastrun.components.task import Task
from fastrun.config.monitor import Monitor, default_monitor

FIVE = Task("classification", 5)
NUMBER = Task("regression", 1, (30.0,), (4.0,))
MASKS = Task("segmentation", 3, ignore_index=255)
PICTURES = Task("image_to_image", 2, target_shape=(2, 4, 4), data_range=2.0)
ACC, LOSS = Monitor("val/acc", True), Monitor("val/loss", False)


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
def test_loss_and_accuracy_are_over_samples_however_they_are_batched_and_held(sizes, chunk_size):
    pairs = outputs(sizes)
    logits, y = whole(pairs)
    measured = Metrics(FIVE, cross_entropy, chunk_size).measure(iter(pairs))
    assert measured["loss"] == pytest.approx(cross_entropy(logits, y).item(), rel=1e-5)
    assert measured["acc"] == pytest.approx((logits.argmax(1) == y).float().mean().item())


def test_a_second_measurement_knows_nothing_of_the_first():
    metrics = Metrics(FIVE, cross_entropy)
    metrics.measure(outputs([8], seed=1))
    assert metrics.measure(outputs([8], seed=2)) == Metrics(FIVE, cross_entropy).measure(outputs([8], seed=2))


def test_the_loss_of_half_precision_logits_is_summed_in_full_precision():
    pairs = [(logits.bfloat16(), y) for logits, y in outputs([64])]
    logits, y = whole(pairs)
    measured = Metrics(FIVE, cross_entropy).measure(pairs)
    assert measured["loss"] == pytest.approx(cross_entropy(logits.float(), y).item(), rel=1e-6)


def test_a_loss_that_is_not_a_number_stays_one():
    measured = Metrics(FIVE, cross_entropy).measure([(torch.full((2, 5), math.nan), torch.tensor([0, 1]))])
    assert math.isnan(measured["loss"])


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (FIVE, {"val/loss": False, "val/acc": True, "val/f1": True}),
        (Task("classification", 100), {"val/loss": False, "val/acc": True, "val/f1": True, "val/top5": True}),
        (Task("language", 5), {"val/loss": False, "val/perplexity": False, "val/acc": True}),
        (Task("multilabel", 3), {"val/loss": False, "val/map": True, "val/f1": True, "val/exact": True}),
        (MASKS, {"val/loss": False, "val/miou": True, "val/acc": True}),
        (PICTURES, {"val/loss": False, "val/psnr": True, "val/rmse": False, "val/mae": False}),
        (NUMBER, {"val/loss": False, "val/r2": True, "val/rmse": False, "val/mae": False}),
    ],
)
def test_what_is_known_says_which_way_is_better_and_the_second_is_what_the_task_is_judged_by(task, expected):
    assert {one.name: one.higher_is_better for one in monitors(task).values()} == expected
    assert metric_names(task)[1] == list(expected)[1].removeprefix("val/")
    assert default_monitor(None, expected).name == list(expected)[1]
    assert default_monitor("val/loss", expected) == LOSS


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from([2, 5, 30]))
def test_accuracy_f1_and_top5_are_those_of_torchmetrics(sizes, classes):
    pairs = outputs(sizes, classes)
    logits, y = whole(pairs)
    measured = Metrics(Task("classification", classes), cross_entropy).measure(pairs)
    assert measured["acc"] == pytest.approx(multiclass_accuracy(logits, y, classes, average="micro").item())
    assert measured["f1"] == pytest.approx(multiclass_f1_score(logits, y, classes, average="macro").item())
    assert ("top5" in measured) is (classes > 20)
    if "top5" in measured:
        expected = multiclass_accuracy(logits, y, classes, average="micro", top_k=5).item()
        assert measured["top5"] == pytest.approx(expected)


def test_perplexity_is_that_of_torchmetrics_over_every_place_of_the_sequences():
    pairs = [(torch.randn(size, 7, 5), torch.randint(5, (size, 7))) for size in (4, 1)]
    out, y = whole(pairs)
    task = Task("language", 5)
    measured = Metrics(task, task.loss(cross_entropy)).measure(pairs)
    assert measured["perplexity"] == pytest.approx(perplexity(out, y).item(), rel=1e-4)
    assert measured["loss"] == pytest.approx(math.log(measured["perplexity"]), rel=1e-4)
    assert measured["acc"] == pytest.approx((out.argmax(2) == y).float().mean().item())


def test_regression_is_measured_in_the_targets_own_unit_and_its_loss_in_standard_deviations():
    pairs = [(torch.randn(size, 1), 30 + 4 * torch.randn(size)) for size in (40, 3)]
    out, y = whole(pairs)
    guessed = 30 + 4 * out.squeeze(1)
    measured = Metrics(NUMBER, NUMBER.loss(mse_loss)).measure(pairs)
    assert measured["rmse"] == pytest.approx(mse_loss(guessed, y).sqrt().item(), rel=1e-4)
    assert measured["mae"] == pytest.approx((guessed - y).abs().mean().item(), rel=1e-4)
    assert measured["r2"] == pytest.approx(
        (1 - (guessed - y).square().sum() / (y - y.mean()).square().sum()).item(), rel=1e-4
    )
    assert measured["loss"] == pytest.approx((measured["rmse"] / 4) ** 2, rel=1e-4)


def test_several_numbers_a_sample_are_measured_together():
    task = Task("regression", 2, (1.0, -3.0), (2.0, 5.0))
    out, y = torch.randn(8, 2), torch.randn(8, 2)
    measured = Metrics(task, task.loss(mse_loss)).measure([(out, y)])
    expected = (y - torch.tensor(task.mean)) / torch.tensor(task.std)
    assert measured["loss"] == pytest.approx(mse_loss(out, expected).item(), rel=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.booleans(), st.sampled_from([1, 20, 1 << 22]))
def test_metrics_of_several_labels_are_those_of_torchmetrics(sizes, ties, chunk_size):
    random = torch.Generator().manual_seed(sum(sizes))
    out = torch.randn(sum(sizes) + 2, 3, generator=random)
    out = (2 * out).round() / 2 if ties else out  # equal outputs are found together
    y = torch.randint(2, out.shape, generator=random)
    y[:2] = torch.tensor([[0], [1]])  # torchmetrics warns of labels without both
    pairs = list(zip(out.split([*sizes, 2]), y.split([*sizes, 2]), strict=True))
    task = Task("multilabel", 3)
    measured = Metrics(task, task.loss(binary_cross_entropy_with_logits), chunk_size).measure(pairs)
    assert measured["loss"] == pytest.approx(binary_cross_entropy_with_logits(out, y.float()).item(), rel=1e-5)
    assert measured["map"] == pytest.approx(multilabel_average_precision(out.sigmoid(), y, 3).item(), rel=1e-5)
    assert measured["f1"] == pytest.approx(multilabel_f1_score(out.sigmoid(), y, 3).item(), rel=1e-5)
    assert measured["exact"] == pytest.approx(multilabel_exact_match(out.sigmoid(), y, 3).item())


def test_labels_that_never_occur_do_not_count():
    out, y = torch.tensor([[3.0, -1.0], [-2.0, -1.0]]), torch.tensor([[1, 0], [0, 0]])
    measured = Metrics(Task("multilabel", 2), mse_loss).measure([(out, y)])
    assert measured["map"] == measured["f1"] == measured["exact"] == 1


def test_masks_are_measured_without_the_pixels_that_belong_to_no_class():
    random = torch.Generator().manual_seed(0)
    pairs = [(torch.randn(n, 3, 4, 5, generator=random), torch.randint(3, (n, 4, 5), generator=random)) for n in (4, 1)]
    for _, y in pairs:
        y[:, 0] = 255
    out, y = whole(pairs)
    measured = Metrics(MASKS, CrossEntropyLoss(ignore_index=255)).measure(pairs)
    assert measured["miou"] == pytest.approx(multiclass_jaccard_index(out, y, 3, ignore_index=255).item())
    assert measured["acc"] == pytest.approx((out.argmax(1) == y)[:, 1:].float().mean().item())
    assert measured["loss"] == pytest.approx(cross_entropy(out[:, :, 1:], y[:, 1:]).item(), rel=1e-5)


def test_images_are_measured_in_the_unit_of_the_targets():
    pairs = [(torch.randn(n, 2, 4, 4), torch.randn(n, 2, 4, 4)) for n in (5, 2)]
    out, y = whole(pairs)
    measured = Metrics(PICTURES, mse_loss).measure(pairs)
    assert measured["psnr"] == pytest.approx(peak_signal_noise_ratio(out, y, data_range=2.0).item(), rel=1e-5)
    assert measured["rmse"] == pytest.approx(mse_loss(out, y).sqrt().item(), rel=1e-5)
    assert measured["mae"] == pytest.approx((out - y).abs().mean().item(), rel=1e-5)


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
    assert one.is_better(value, than, by) is is_better


@pytest.mark.parametrize(
    ("one", "value", "reached"),
    [(ACC, 0.9, True), (ACC, 0.89, False), (LOSS, 0.9, True), (LOSS, 0.91, False), (ACC, math.nan, False)],
)
def test_a_target_is_reached_at_its_value_or_past_it(one, value, reached):
    assert one.reaches(value, 0.9) is reached
