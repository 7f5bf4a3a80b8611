"""Networks of transformers, from configs and from folders: for each task, and with every way to be wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.errors import FastrunError

transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")

WORDS = {"bad": "awful", "good": "lovely"}
BERT = ["hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2", "intermediate_size=16"]
TEXTS = ["data=hf", "data.source=it.csv", "data.text=said", "data.target=label", "data.length=12"]
SMALL = ["model=hf", "amp=off", "batch.size=8", "tokenizer=bpe", "tokenizer.size=300"]
CLASSIFIER = [*TEXTS, *SMALL, "model.type=bert", *(f"+model.{key}" for key in BERT)]
GPT = ["model=hf", "model.type=gpt2", "+model.n_embd=16", "+model.n_layer=1", "+model.n_head=2", "amp=off"]
TEXT = ["data=text", "data.root=it.txt", "data.length=8", "batch.size=8"]
KILLER = """
import os, signal
from pathlib import Path
import pytorch_lightning as pl

class Kill(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 5 and not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def texts(folder: Path) -> Path:
    rows = "".join(f"it was {word} {number},{label}\n" for number in range(40) for label, word in WORDS.items())
    (folder / "it.csv").write_text("said,label\n" + rows)
    (folder / "it.txt").write_text("to be, or not to be; that is the question. " * 40)
    return folder


@pytest.fixture
def pretrained(texts: Path) -> Path:
    """A folder as the hub has them: a small encoder, its config and its tokenizer."""
    from fastrun.components.tokenizer.bpe import bpe

    place = texts / "pretrained"
    tokenizer = bpe(size=300).train(["it was awful lovely " * 20], pads=True)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer.names), max_position_embeddings=32, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(place)
    (place / "tokenizer.json").write_text(tokenizer.state()["json"])
    (place / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<pad>"}))
    return place


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(max((run / "checkpoints").glob("*.ckpt")), weights_only=True)["state_dict"]


def refused(*overrides: str) -> str:
    with pytest.raises(FastrunError) as error:
        fastrun.train([*overrides, "steps=1"], quiet=True)
    assert len(error.value.render().splitlines()) <= 2
    return error.value.render()


def test_a_classifier_of_texts_learns_and_is_put_to_use(texts: Path, capfd) -> None:
    whole = fastrun.train([*CLASSIFIER, "steps=8", "optimizer.lr=0.01"], quiet=True)
    assert whole.summary["heuristics"]["init"]["used"] == "the model's own"
    names = weights(whole.directory).keys()
    assert any("classifier" in name for name in names)
    (texts / "new.txt").write_text("it was lovely\nit was quite awful and much longer than the others were\n\n")
    assert main(["predict", str(whole.directory), "new.txt"]) == 0
    assert "new.txt:3" in capfd.readouterr().out
    assert main(["eval", str(whole.directory)]) == 0


def test_places_that_fill_up_a_text_change_nothing(texts: Path) -> None:
    run = fastrun.train([*CLASSIFIER, "steps=1"], quiet=True)
    model = fastrun.load(run.directory)
    x = model.prepare(["it was"])
    short = x[:, : int((x != 0).sum())]
    with torch.inference_mode():
        torch.testing.assert_close(model.net(x), model.net(short))


@pytest.mark.slow
def test_trained_weights_come_from_a_folder_that_the_run_then_does_not_need(pretrained: Path, capfd) -> None:
    own = [*TEXTS, "model=hf", "amp=off", "batch.size=8", "tokenizer=pretrained", "tokenizer.source=pretrained"]
    every = ["checkpoint=every", "checkpoint.every=2", "steps=4"]
    run = fastrun.train([*own, "model.source=pretrained", *every], quiet=True)
    from safetensors.torch import load_file

    before, after = load_file(pretrained / "model.safetensors"), weights(run.directory)
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert (before[name] - next(value for key, value in after.items() if key.endswith(name))).abs().max() < 0.1
    for file in pretrained.iterdir():
        file.unlink()
    pretrained.rmdir()
    assert main(["eval", str(run.directory), "--split", "val"]) == 0
    assert main(["export", str(run.directory), "--to", "safetensors"]) == 0
    model = fastrun.load(run.directory / "export-safetensors" / "model.safetensors")
    with torch.inference_mode():
        torch.testing.assert_close(model(["it was lovely"]), fastrun.load(run.directory)(["it was lovely"]))
    assert main(["resume", str(run.directory), "steps=6"]) == 0
    assert "error" not in capfd.readouterr().err
    assert main(["resume", str(run.directory), "steps=8", "model.source=other"]) == 2
    assert "model.source=other: the run began with pretrained" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("adapters", [False, True])
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_bits(pretrained: Path, shell, adapters: bool) -> None:
    (pretrained.parent / "killer.py").write_text(KILLER)
    names = ["model.source=pretrained", "tokenizer=pretrained", "tokenizer.source=pretrained", "transfer=lora"]
    own = [*TEXTS, "model=hf", *names, "amp=off", "batch.size=8"] if adapters else CLASSIFIER
    own = [*own, "steps=9", "checkpoint=every", "checkpoint.every=2", "speed=plain"]
    whole = fastrun.train(own, quiet=True)
    done = shell("train", *own, "name=killed", "+callbacks.kill._target_=killer.Kill")
    assert done.returncode == -9, done.stderr
    (run,) = pretrained.parent.glob("outputs/killed/*")
    shutil.rmtree(pretrained)
    assert main(["resume", str(run)]) == 0
    one, other = weights(whole.directory), weights(run)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert any("lora_A" in name for name in one) == adapters


@pytest.mark.full
def test_a_name_in_the_cache_needs_no_network_and_its_commit_is_kept(pretrained: Path, new_process) -> None:
    cached, commit = pretrained.parent / "cache" / "models--some--encoder", "0123456789" * 4
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots").mkdir()
    pretrained.rename(cached / "snapshots" / commit)
    names = ["model.source=some/encoder", "tokenizer=pretrained", "tokenizer.source=some/encoder"]
    offline = {"HF_HUB_CACHE": str(pretrained.parent / "cache"), "HF_HUB_OFFLINE": "1"}
    done = new_process("train", *TEXTS, "model=hf", *names, "amp=off", "batch.size=8", "steps=2", **offline)
    assert done.returncode == 0, done.stderr
    assert f"some/encoder at {commit}" in done.stdout + done.stderr
    (run,) = pretrained.parent.glob("outputs/*/*")
    data = torch.load(max((run / "checkpoints").glob("*.ckpt")), weights_only=True)
    assert commit in repr({key: value for key, value in data.items() if key != "state_dict"})


@pytest.mark.slow
def test_next_tokens_and_images_are_learned_too(texts: Path, capfd) -> None:
    run = fastrun.train([*TEXT, *GPT, "tokenizer=bpe", "tokenizer.size=300", "steps=2"], quiet=True)
    assert main(["predict", str(run.directory), "--prompt", "To be", "--length", "4"]) == 0
    assert capfd.readouterr().out.startswith("To be")
    vit = ["hidden_size=8", "num_attention_heads=2", "num_hidden_layers=1", "intermediate_size=8", "patch_size=4"]
    images = ["data=digits", "model=hf", "model.type=vit", *(f"+model.{key}" for key in vit), "amp=off", "steps=2"]
    assert fastrun.train(images, quiet=True).summary["steps"] == 2


@pytest.mark.slow
def test_what_does_not_fit_is_refused_in_a_line(pretrained: Path) -> None:
    own = [*TEXTS, "model=hf", "model.source=pretrained"]
    assert "not with tokenizer=characters" in refused(*own)
    assert "not with tokenizer=bpe" in refused(*own, "tokenizer=bpe")
    assert "takes 32 tokens; data.length=64" in refused(
        *own, "tokenizer=pretrained", "tokenizer.source=pretrained", "data.length=64"
    )
    assert "neither model.source nor model.type is set" in refused(*TEXTS, "model=hf")
    assert "model.type=brt: transformers has no such network" in refused(*TEXTS, "model=hf", "model.type=brt")
    assert "model.hiden_size is no key" in refused(*TEXTS, "model=hf", "model.type=bert", "+model.hiden_size=8")
    assert "model.num_labels follows from the data" in refused(
        *TEXTS, "model=hf", "model.type=bert", "+model.num_labels=8"
    )
    assert "has no vit for the task of this data" in refused(*TEXTS, "model=hf", "model.type=vit")
    assert "init=orthogonal would replace the weights of pretrained" in refused(
        *own, "tokenizer=pretrained", "tokenizer.source=pretrained", "init=orthogonal"
    )


@pytest.mark.slow
def test_a_tokenizer_of_another_vocabulary_is_refused(pretrained: Path) -> None:
    from fastrun.components.tokenizer.bpe import bpe

    other = bpe(size=280).train(["else " * 40], pads=True)
    (pretrained.parent / "tokenizer.json").write_text(other.state()["json"])
    (pretrained.parent / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<pad>"}))
    config = json.loads((pretrained / "config.json").read_text())
    size = len(other.names)
    message = refused(
        *TEXTS, "model=hf", "model.source=pretrained", "tokenizer=pretrained", "tokenizer.source=tokenizer.json"
    )
    assert f"has {config['vocab_size']} tokens; the tokenizer has {size}" in message


@pytest.mark.slow
def test_pickled_weights_and_code_of_others_are_refused(pretrained: Path) -> None:
    own = [*TEXTS, "model=hf", "model.source=pretrained", "tokenizer=pretrained", "tokenizer.source=pretrained"]
    config = json.loads((pretrained / "config.json").read_text())
    (pretrained / "model.safetensors").rename(pretrained / "kept")
    torch.save({}, pretrained / "pytorch_model.bin")
    assert "pytorch_model.bin may run code" in refused(*own)
    (pretrained / "kept").rename(pretrained / "model.safetensors")
    changed = config | {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (pretrained / "config.json").write_text(json.dumps(changed))
    (pretrained / "mine.py").write_text("raise SystemExit('this was run')\n")
    assert "comes with code of its own" in refused(*own)
    assert "model.trust=true runs code" in refused(*own, "model.trust=true")


@pytest.mark.slow
def test_a_name_that_is_not_in_the_cache_is_refused_at_once_without_a_network(texts: Path, shell) -> None:
    done = shell("train", *TEXTS, "model=hf", "model.source=no/such-network", "steps=1", HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "model.source=no/such-network is no path here and not in the cache" in done.stderr
    done = shell("train", "data=hf", "data.source=no/such-data", "data.text=x", "model=gpt", HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "data.source=no/such-data is no path here" in done.stderr


@pytest.mark.slow
def test_keys_of_a_config_that_follow_from_others_do(folder: Path) -> None:
    (folder / "verse.txt").write_text("to be or not to be, that is the question. " * 40)
    size = ["hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2", "intermediate_size=16"]
    llama = ["model=hf", "model.type=llama", *(f"+model.{key}" for key in size)]  # as many heads of keys as of queries
    run = fastrun.train(["data=text", "data.root=verse.txt", "data.length=8", *llama, "steps=1"], quiet=True)
    assert run.summary["steps"] == 1
