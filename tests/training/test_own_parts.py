"""Metrics, losses, schedules, optimizers and augmentations of the user's own; and what does not fit, in a line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import fastrun
from fastrun.errors import FastrunError

PAGE = (Path(__file__).parents[2] / "docs/own.md").read_text()
MORE = """
from torch import nn

class Wrong(metrics_own.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("wrong", torch.tensor(0.0), "sum")

    def update(self, predictions, y):
        self.wrong += (predictions.argmax(1) != y).sum()

    def compute(self):
        return self.wrong

class Several(Wrong):
    higher_is_better = True

    def compute(self):
        return torch.ones(3)

def constant(outputs, y):
    return torch.tensor(1.0)

def by_sample(outputs, y):
    return torch.nn.functional.cross_entropy(outputs, y, reduction="none")

def three(outputs, y, weights):
    return outputs.mean()

def text(step, total_steps):
    return "fast"

def of_time(time):
    return 1.0

def no_optimizer(weights):
    return weights

class Draws:
    def __call__(self, x, draws):
        return x

class Larger(Draws):
    def draw(self, indices, seed, epoch):
        return torch.zeros(len(indices), 1)

    def __call__(self, x, draws):
        return x.float()
"""
FAST = ["model=mlp", "model.hidden=[16]", "epochs=3", "speed.trial_seconds=0"]


@pytest.fixture
def own(folder: Path) -> None:
    """The example of each part in docs/own.md, in mymod.py as it says, and a few more."""
    (code,) = re.findall(r'^```python title="mymod.py"\n(.*?)^```', PAGE, re.M | re.S)
    more = MORE.replace("metrics_own.Metric", "Metric")
    (folder / "mymod.py").write_text(code + more)


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if "mymod" in line]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_page_work(shell, command: str) -> None:
    program, *arguments = command.split()
    assert program == "fastrun"
    done = shell(*arguments, *FAST[1:])
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("own")
def test_metrics_are_measured_recorded_and_decide(folder: Path, shell) -> None:
    added = ["metrics=[auroc,mcc]", "metrics.auroc.average=weighted", "+metrics.wrong._target_=mymod.Wrong"]
    run = fastrun.train([*FAST, *added, "+metrics.wrong.higher_is_better=false", "target.metric=val/wrong"])
    values = [line["val/wrong"] for line in run.metrics if "val/wrong" in line]
    assert run.summary["best"]["value"] == min(values)
    last = next(line for line in reversed(run.metrics) if "val/auroc" in line)
    assert {"val/loss", "val/acc", "val/auroc", "val/mcc"} <= last.keys()
    assert "wrong" in shell("runs").stdout
    measured = json.loads(shell("eval", "latest", "--split", "val", "--json").stdout)
    assert measured["val/wrong"] == min(values)


@pytest.mark.usefixtures("own")
def test_the_direction_of_a_class_is_written_into_the_config() -> None:
    arguments = ["+metrics.mine._target_=torchmetrics.HammingDistance", "target.metric=val/mine"]
    run = fastrun.train([*FAST, *arguments])
    assert run.settings.metrics["mine"]["higher_is_better"] is False
    values = [line["val/mine"] for line in run.metrics if "val/mine" in line]
    assert run.summary["best"]["value"] == min(values)


def test_an_option_of_ones_own_is_a_metric_of_its_name(folder: Path) -> None:
    (folder / "conf/metrics").mkdir(parents=True)
    option = "# Mine\n_target_: torchmetrics.F1Score\naverage: weighted\nhigher_is_better: true\n"
    (folder / "conf/metrics/weighted.yaml").write_text(option)
    run = fastrun.train([*FAST, "metrics=[weighted,mcc]", "target.metric=val/weighted"])
    assert run.summary["best"]["metric"] == "val/weighted"
    assert any("val/mcc" in line for line in run.metrics)


WRONG = [
    (["metrics=[pearson]"], "metrics.pearson does not fit this data"),
    (["metrics=[nope]"], "metrics=nope: no such option"),
    (["metrics=[auroc]", "+metrics.auroc.averge=macro"], "averge"),
    (["metrics=[auroc]", "target.metric=val/aurok"], "target.metric=val/aurok is not known\nhint: did you mean"),
    (["+metrics.mine._target_=mymod.Wrong", "target.metric=val/mine"], "+metrics.mine.higher_is_better=true or false"),
    (["+metrics.mine._target_=mymod.Several"], "metrics.mine computes a tensor of shape [3], not one number"),
    (["+metrics.mine._target_=mymod.Larger"], "makes a Larger, not a torchmetrics.Metric"),
    (["+metrics.acc._target_=mymod.Wrong"], "val/acc is a metric of fastrun's own"),
    (["+metrics.mine.average=macro"], "metrics.mine has no _target_"),
    (["metrics=[auroc]", "metrics.auroc.higher_is_better=up"], "write true or false"),
    (["+metrics.mine._target_=torchmetrics.text.BERTScore"], "not among what a config may call"),
    (["loss._target_=mymod.constant"], "mymod.constant returns a tensor of shape [], which does not depend"),
    (["loss._target_=mymod.by_sample"], "returns a tensor of shape [2]\nhint: a loss is a function loss(outputs, y)"),
    (["loss._target_=mymod.three"], "loss.outputs is not set"),
    (["loss._target_=torch.nn.L1Loss"], "L1Loss does not take outputs [2, 10] and targets [2]"),
    (["schedule._target_=mymod.text"], "returns 'fast' for step 0\nhint: a schedule is a function f(step, total_steps"),
    (["schedule._target_=mymod.of_time"], "needs time, which is not set\nhint: a schedule is a function f(step"),
    (["optimizer._target_=mymod.no_optimizer"], "takes no params\nhint: an optimizer is a torch.optim.Optimizer"),
    (["augment._target_=mymod.Draws"], "is no augmentation\nhint: an augmentation has draw(indices, seed, epoch)"),
    (["augment._target_=mymod.Larger"], "makes torch.float32 [2, 1, 8, 8] of a batch of torch.uint8 [2, 1, 8, 8]"),
]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_does_not_fit_is_refused_in_a_line_before_training(arguments: list[str], message: str) -> None:
    with pytest.raises(FastrunError) as caught:
        fastrun.train([*FAST, *arguments])
    assert message in caught.value.render()
