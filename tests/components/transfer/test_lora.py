"""Adapters of a low rank: what trains, what stays, and that a run needs nothing else for what comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import fastrun
from fastrun.cli.main import main
from fastrun.components.model.gpt import gpt
from fastrun.components.transfer.lora import add_adapters, has_adapters, merge_adapters
from fastrun.config.settings import TransferConfig
from fastrun.errors import ConfigError

pytest.importorskip("peft")

NET = ["data=digits", "model=vit", "model.width=8", "model.depth=1", "model.heads=2", "amp=off", "batch.size=64"]


def tokens() -> Tensor:
    return torch.randint(0, 20, (3, 8), generator=torch.Generator().manual_seed(0))


def test_adapters_change_nothing_at_first_and_merged_ones_nothing_at_last() -> None:
    torch.manual_seed(0)
    net = gpt((8,), 20, width=8, depth=1, heads=2, tie=False)
    before = net(tokens())
    said = add_adapters(net, TransferConfig("lora", rank=2), seed=0)
    assert "adapters of rank 2 in 4 layers" in said
    assert torch.equal(net(tokens()), before)
    trained = {name for name, weight in net.named_parameters() if weight.requires_grad}
    assert {name for name in trained if "lora_" not in name} == {"head.weight"}
    first = [value.clone() for name, value in net.named_parameters() if "lora_A" in name]
    torch.manual_seed(1)
    other = gpt((8,), 20, width=8, depth=1, heads=2, tie=False)
    add_adapters(other, TransferConfig("lora", rank=2), seed=0)
    again = [value for name, value in other.named_parameters() if "lora_A" in name]
    assert all(map(torch.equal, first, again))
    with torch.no_grad():
        for name, value in net.named_parameters():
            if "lora_B" in name:
                value.normal_()
    net.eval()
    adapted = net(tokens())
    assert not torch.allclose(adapted, before)
    merge_adapters(net)
    assert not has_adapters(net)
    torch.testing.assert_close(net(tokens()), adapted)
    assert net.state_dict().keys() == gpt((8,), 20, width=8, depth=1, heads=2, tie=False).state_dict().keys()


def test_layers_that_do_not_exist_are_refused_by_name() -> None:
    net = gpt((8,), 20, width=8, depth=1, heads=2)
    with pytest.raises(ConfigError, match=r"transfer\.targets: no layer of the network is called qvk") as error:
        add_adapters(net, TransferConfig("lora", targets=["qvk"]), seed=0)
    assert "qkv" in (error.value.hint or "")


@pytest.mark.slow
def test_a_run_with_adapters_resumes_evaluates_and_exports(folder: Path, capfd) -> None:
    source = fastrun.train([*NET, "steps=2"], quiet=True)
    own = [*NET, "transfer=lora", f"transfer.source={source.directory}", "transfer.rank=2", "transfer.dropout=0.1"]
    run = fastrun.train([*own, "steps=4"], quiet=True)
    newest = [max((one.directory / "checkpoints").glob("*.ckpt")) for one in (source, run)]
    before, after = (torch.load(path, weights_only=True)["state_dict"] for path in newest)
    bodies = {name.replace("base_layer.", ""): value for name, value in after.items() if "lora_" not in name}
    assert {name for name, value in before.items() if not torch.equal(value, bodies[name])} == {
        name
        for name in before
        if name.startswith(max(before, key=lambda name: int(name.split(".")[1])).rpartition(".")[0])
    }
    assert main(["eval", str(run.directory)]) == 0
    assert main(["export", str(run.directory), "--to", "torch"]) == 0
    assert main(["export", str(run.directory), "--to", "safetensors"]) == 0
    model = fastrun.load(run.directory / "export-safetensors" / "model.safetensors")
    assert not has_adapters(model.net)
    x = torch.rand(2, 1, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(model(x), fastrun.load(run.directory)(x))
    assert main(["resume", str(run.directory), "steps=6"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", ["bpe", "characters"])
def test_weights_of_a_text_come_with_their_own_tokens_or_not_at_all(folder: Path, tokenizer: str) -> None:
    (folder / "old.txt").write_text("the cat sat on the mat, and the dog sat on the cat. " * 40)
    (folder / "new.txt").write_text("the cat sat on the hat, and then the cat sat. " * 40)
    size = ["tokenizer.size=270"] if tokenizer == "bpe" else []
    gpt = ["data=text", "data.length=8", "model=gpt", "model.width=8", "model.depth=1", "model.heads=1", "steps=2"]
    old = fastrun.train([*gpt, "data.root=old.txt", f"tokenizer={tokenizer}", *size], quiet=True)
    lora = [*gpt, "transfer=lora", f"transfer.source={old.directory}"]
    with pytest.raises(ConfigError, match="that run has other tokens") as caught:
        fastrun.train([*lora, "data.root=new.txt", f"tokenizer={tokenizer}", *size], quiet=True)
    assert f"tokenizer.source={old.directory}" in str(caught.value.hint)
    new = fastrun.train(
        [*lora, "data.root=new.txt", "tokenizer=pretrained", f"tokenizer.source={old.directory}"], quiet=True
    )
    assert new.summary["steps"] == 2
