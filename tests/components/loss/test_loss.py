"""Values and gradients against torch, timm and the closed form."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot, softmax

import fastrun
from fastrun.components.loss.auto import auto
from fastrun.components.loss.bce import OneVsRest
from fastrun.components.loss.mse import SquaredError
from fastrun.components.loss.targets import probabilities
from fastrun.errors import ConfigError

CLASSES = 5


def logits(count: int = 12) -> torch.Tensor:
    return torch.randn(count, CLASSES, generator=torch.Generator().manual_seed(0)) * 3


def labels(count: int = 12) -> torch.Tensor:
    return torch.arange(count) % CLASSES


def mixed(count: int = 12) -> torch.Tensor:
    return softmax(torch.randn(count, CLASSES, generator=torch.Generator().manual_seed(1)), dim=1)


def gradient(loss, y: torch.Tensor) -> torch.Tensor:
    outputs = logits().requires_grad_()
    loss(outputs, y).backward()
    assert outputs.grad is not None
    return outputs.grad


@pytest.mark.parametrize("y", [labels(), mixed()], ids=["labels", "probabilities"])
@pytest.mark.parametrize("task", ["classification", "language"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_auto_is_cross_entropy_where_there_are_classes(task, smoothing, y):
    result = auto(task, label_smoothing=smoothing)(logits(), y)
    assert torch.equal(result, cross_entropy(logits(), y, label_smoothing=smoothing))


def test_auto_is_the_squared_error_where_there_are_numbers():
    outputs, y = torch.randn(7), torch.randn(7)
    assert auto("regression")(outputs, y).item() == pytest.approx((outputs - y).square().mean().item())


@pytest.mark.parametrize("smoothing", [0.05, 0.2, 0.9])
def test_smoothing_is_a_mean_with_all_classes_in_closed_form(smoothing):
    logs = logits().log_softmax(1)
    expected = -(1 - smoothing) * logs[range(12), labels()] - smoothing * logs.mean(1)
    assert auto(label_smoothing=smoothing)(logits(), labels()).item() == pytest.approx(expected.mean().item(), rel=1e-5)


def test_the_least_smoothed_loss_is_the_entropy_of_the_smoothed_label():
    share, target = 0.1, 1 - 0.1 + 0.1 / CLASSES
    rest = (1 - target) / (CLASSES - 1)
    best = torch.full((1, CLASSES), math.log(rest))
    best[0, 0] = math.log(target)
    entropy = -target * math.log(target) - (CLASSES - 1) * rest * math.log(rest)
    loss = auto(label_smoothing=share)
    assert loss(best, torch.tensor([0])).item() == pytest.approx(entropy, rel=1e-5)
    assert loss(best * 2, torch.tensor([0])) > entropy


def test_probabilities_of_labels_are_smoothed_like_those_of_mixed_ones():
    hard = probabilities(labels(), CLASSES, 0.2)
    torch.testing.assert_close(hard, probabilities(one_hot(labels(), CLASSES).float(), CLASSES, 0.2))
    assert hard[0].tolist() == pytest.approx([0.84, 0.04, 0.04, 0.04, 0.04])
    torch.testing.assert_close(probabilities(mixed(), CLASSES, 0.2).sum(1), torch.ones(12))
    assert torch.equal(probabilities(mixed(), CLASSES), mixed())


@pytest.mark.parametrize(
    ("smoothing", "threshold", "summed"), [(0.0, None, False), (0.1, None, False), (0.1, 0.2, True)]
)
def test_bce_of_labels_is_timms(smoothing, threshold, summed):
    timm = pytest.importorskip("timm.loss")
    theirs = timm.BinaryCrossEntropy(smoothing, target_threshold=threshold, sum_classes=summed)
    ours = OneVsRest(label_smoothing=smoothing, threshold=threshold, sum_classes=summed)
    torch.testing.assert_close(ours(logits(), labels()), theirs(logits(), labels()))
    torch.testing.assert_close(gradient(ours, labels()), gradient(theirs, labels()))


@pytest.mark.parametrize("threshold", [None, 0.2])
def test_bce_of_probabilities_is_timms(threshold):
    timm = pytest.importorskip("timm.loss")
    theirs = timm.BinaryCrossEntropy(0.0, target_threshold=threshold)
    torch.testing.assert_close(OneVsRest(threshold=threshold)(logits(), mixed()), theirs(logits(), mixed()))


def test_bce_in_closed_form():
    chance = logits().sigmoid()
    truth = one_hot(labels(), CLASSES)
    expected = -(truth * chance.log() + (1 - truth) * (1 - chance).log())
    assert OneVsRest()(logits(), labels()).item() == pytest.approx(expected.mean().item(), rel=1e-5)
    assert OneVsRest(sum_classes=True)(logits(), labels()).item() == pytest.approx(
        expected.sum(1).mean().item(), rel=1e-5
    )


def test_mse_of_classes_is_that_of_one_hot_labels():
    expected = mse_loss(logits(), one_hot(labels(), CLASSES).float())
    assert torch.equal(SquaredError()(logits(), labels()), expected)
    torch.testing.assert_close(SquaredError()(logits(), mixed()), mse_loss(logits(), mixed()))


def test_mse_with_the_papers_weights():
    k, m, total = 15.0, 30.0, 0.0
    for row, label in zip(logits().tolist(), labels().tolist(), strict=True):
        total += k * (row[label] - m) ** 2 + sum(value**2 for position, value in enumerate(row) if position != label)
    loss = SquaredError(true_weight=k, true_value=m)
    assert loss(logits(), labels()).item() == pytest.approx(total / 12 / CLASSES, rel=1e-5)


@pytest.mark.parametrize("make", [OneVsRest, SquaredError])
def test_half_precision_outputs_are_compared_in_full(make):
    result = make()(logits().bfloat16(), labels())
    assert result.dtype == torch.float32
    assert result.item() == pytest.approx(make()(logits().bfloat16().float(), labels()).item())


@pytest.mark.parametrize(
    ("make", "match", "hint"),
    [
        (lambda: OneVsRest("regression"), "is for classes", "loss=auto"),
        (lambda: auto("regression", label_smoothing=0.1), "not labels", "label_smoothing=0"),
        (lambda: SquaredError("regression", true_weight=2.0), "not classes", "true_weight=1"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_hint(make, match, hint):
    with pytest.raises(ConfigError, match=match) as error:
        make()
    assert hint in (error.value.hint or "")


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("option", "augment"),
    [("auto", "mixup"), ("cross_entropy", "none"), ("bce", "mixup"), ("mse", "none"), ("mse", "mixup")],
)
def test_each_trains_on_labels_and_on_mixed_ones(folder, option, augment):
    own = ["data=synthetic", "data.shape=[1,8,8]", "model=mlp", "model.hidden=[16]", "epochs=2", "batch.size=32"]
    run = fastrun.train([*own, f"loss={option}", f"augment={augment}", "optimizer.lr=0.01"], quiet=True)
    assert run.summary["last"]["val/loss"] < {"bce": 0.69, "mse": 1.0}.get(option, 2.31)


def test_the_default_is_auto_and_is_cross_entropy_to_the_bit(folder):
    own = ["data=synthetic", "data.shape=[8]", "model=mlp", "model.hidden=[8]", "steps=3", "loss.label_smoothing=0.1"]
    runs = [fastrun.train([*own, *choice], quiet=True) for choice in ([], ["loss=cross_entropy"])]
    assert runs[0].summary["heuristics"]["loss"]["requested"] == "auto"
    first, second = (run.load_model("last").state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_the_losses_have_nothing_to_learn():
    assert not any(list(module.parameters()) for module in (auto(), OneVsRest(), SquaredError()))
    assert isinstance(auto(), nn.CrossEntropyLoss)
