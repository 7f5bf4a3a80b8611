"""Runs that start from trained weights: what is loaded, on every kind of data, and what it is good for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import fastrun
from fastrun.cli.main import main
from fastrun.components.transfer.source import weights_in
from fastrun.config import registry
from fastrun.report.run import Run

pytestmark = pytest.mark.slow

CONVOLUTIONS = ["model=resnet", "model.width=4", "amp=off", "batch.size=256"]
DENSE = ["model=mlp", "model.hidden=[8]", "amp=off", "batch.size=32"]
SEQUENCE = ["data=tokens", "model.width=8", "amp=off", "batch.size=32"]
KINDS = {
    "image": (["data=digits", *CONVOLUTIONS], {"7.weight", "7.bias"}),
    "vector": (["data=synthetic", "data.samples=64", "data.shape=[6]", *DENSE], {"4.weight", "4.bias"}),
    "number": (["data=numbers", *DENSE], {"4.weight", "4.bias"}),
    "sequence": (["model=lstm", *SEQUENCE], {"head.weight", "head.bias"}),
    "tied sequence": (["model=gpt", "model.heads=2", *SEQUENCE], {"head.weight", "embed.weight"}),
}


def weights(run: Run) -> dict[str, Tensor]:
    """The weights that a run ended with."""
    return weights_in(max((run.directory / "checkpoints").glob("*.ckpt")))


def moved(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """The names of the tensors that differ."""
    assert one.keys() == other.keys()
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


def transfer(kind: str, source: Run | Path, *overrides: str) -> list[str]:
    place = source if isinstance(source, Path) else source.directory
    return [f"transfer={kind}", f"transfer.source={place}", *overrides]


def used(run: Run) -> dict[str, str]:
    return run.summary["heuristics"]["transfer"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_transfers(own: Path, kind: str) -> None:
    net, head = KINDS[kind]
    before = fastrun.train([*net, "steps=1"], quiet=True)
    probe = fastrun.train([*net, "steps=2", *transfer("linear_probe", before)], quiet=True)
    assert moved(weights(before), weights(probe)) == head
    tuned = fastrun.train([*net, "steps=2", *transfer("finetune", before, "transfer.freeze=1")], quiet=True)
    assert moved(weights(before), weights(tuned)) > head
    count = len(weights(before))
    assert used(probe)["used"].startswith(f"loaded {count} of {count} tensors from {before.directory}/checkpoints/")
    assert used(tuned)["used"] == used(probe)["used"]


@pytest.mark.parametrize("init", sorted(registry.options("init")))
def test_no_initialization_touches_what_was_loaded(own: Path, init: str) -> None:
    net = ["model=speednet", "model.widths=[8,8]", "amp=off", "batch.size=256", f"init={init}"]
    before = fastrun.train([*net, "steps=1", "seed=3"], quiet=True)
    after = fastrun.train([*net, "steps=1", *transfer("linear_probe", before)], quiet=True)
    (head,) = moved(weights(before), weights(after))
    assert weights(after)[head].shape == (10, 8)


def test_a_factory_that_loads_weights_itself_is_left_alone_by_the_default_init(own: Path) -> None:
    net = ["model=trained", "init=default", "steps=1", "optimizer=sgd", "optimizer.lr=1e-9", "schedule=constant"]
    assert weights(fastrun.train(net, quiet=True))["body.weight"].mean() == pytest.approx(0.25, abs=1e-6)


def test_another_number_of_classes_gets_a_new_head(own: Path, capsys) -> None:
    before = fastrun.train([*CONVOLUTIONS, "steps=2"], quiet=True)
    capsys.readouterr()
    after = fastrun.train([*CONVOLUTIONS, "data=lower", "steps=1", *transfer("linear_probe", before)])
    count = len(weights(before))
    line = f"loaded {count - 2} of {count} tensors from {before.directory}/checkpoints/step-00000002.ckpt; new head"
    assert used(after)["used"] == line
    assert used(after)["why"] == "linear_probe: only the head trains"
    assert used(after)["requested"] == "linear_probe"
    assert f"transfer: {line} (linear_probe: only the head trains)" in capsys.readouterr().out
    assert line in (after.directory / "run.log").read_text()
    body = {name: value for name, value in weights(before).items() if not name.startswith("7.")}
    assert all(torch.equal(weights(after)[name], value) for name, value in body.items())
    assert weights(after)["7.weight"].shape == (5, 16)


def test_a_freeze_that_outlasts_the_run_is_said(own: Path) -> None:
    before = fastrun.train([*CONVOLUTIONS, "steps=1"], quiet=True)
    whole = fastrun.train([*CONVOLUTIONS, "steps=1", *transfer("finetune", before)], quiet=True)
    assert "only the head trains, because transfer.freeze=1ep covers the whole run" in used(whole)["why"]
    part = fastrun.train([*CONVOLUTIONS, "epochs=2", *transfer("finetune", before)], quiet=True)
    assert (
        "the body trains from step 5 on, at 0.1 x the learning rate, and 0.8 x per layer below the head"
        in used(part)["why"]
    )


@pytest.mark.parametrize(
    ("overrides", "code", "said"),
    [
        (["transfer=finetune"], 2, "transfer.source is not set"),
        (["transfer=finetune", "transfer.source=nowhere"], 6, "no such file"),
        (["transfer=finetune", "transfer.source=pretrained"], 2, "networks of timm only"),
        (["transfer=linear_probe", "transfer.source=timm:resnet_of_mine"], 2, "timm has no such network"),
        (["transfer=finetune", "transfer.source=weights.pt", "transfer.freeze=soon"], 2, "is not a duration"),
        (["transfer=finetune", "transfer.source=weights.pt", "transfer.match=shape"], 2, "transfer.match=shape"),
        (["transfer=finetune", "transfer.source=weights.pt", "transfer.lr_scale=0"], 2, "linear_probe"),
        (
            ["transfer=finetune", "transfer.source=weights.pt", "transfer.layer_decay=2"],
            2,
            "is too large",
        ),
        (["transfer=finetune", "transfer.source=weights.pt", "model.width=8"], 6, "does not fit the model"),
        (
            ["transfer=finetune", "transfer.source=weights.pt", "model.width=8", "transfer.freeze=x"],
            2,
            "not a duration",
        ),
        (["transfer.source=weights.pt"], 2, "but transfer=none"),
        (["transfer=frozen"], 2, "no such option"),
        (["transfer=linear_probe", "transfer.source=weights.pt", "optimizer=muon"], 2, "muon"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(own: Path, capfd, overrides: list[str], code: int, said: str) -> None:
    from fastrun.components.model.resnet import resnet
    from fastrun.components.norm.layers import batch

    torch.save(resnet((1, 8, 8), 10, 8, 4, norm=batch).state_dict(), "weights.pt")
    assert main(["train", *CONVOLUTIONS, "steps=1", *overrides]) == code
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") <= 3


def test_a_resumed_run_needs_no_source_any_more(own: Path) -> None:
    before = fastrun.train([*CONVOLUTIONS, "steps=1"], quiet=True)
    torch.save(weights(before), "weights.pt")
    run = fastrun.train([*CONVOLUTIONS, "steps=2", *transfer("finetune", Path("weights.pt"))], quiet=True)
    Path("weights.pt").unlink()
    assert main(["resume", str(run.directory), "steps=3"]) == 0
    assert main(["eval", str(run.directory)]) == 0
    assert run.load_model("last") is not None


def test_a_network_that_knows_five_digits_learns_the_others_sooner(own: Path) -> None:
    net = ["model=resnet", "model.width=8", "amp=off", "optimizer.lr=3e-3", "batch.size=64"]
    before = fastrun.train([*net, "data=lower", "epochs=8"], quiet=True)
    few = [*net, "data=upper", "steps=80", "val_every=4", "schedule=constant", "target.value=0.7"]
    how = ["transfer.freeze=20", "transfer.lr_scale=1", "transfer.layer_decay=1", "transfer.new_head=true"]
    after = fastrun.train([*few, *transfer("finetune", before, *how)], quiet=True).summary["target"]
    scratch = fastrun.train(few, quiet=True).summary["target"]
    assert after["reached"]
    assert not scratch["reached"] or scratch["steps"] > after["steps"]
