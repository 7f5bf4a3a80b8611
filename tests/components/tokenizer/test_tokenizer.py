"""Tokenizers: that they lose nothing, are the same for the same text, and stay with a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.components.data.text import text
from fastrun.components.tokenizer.bpe import bpe
from fastrun.components.tokenizer.characters import CharacterTrainer
from fastrun.components.tokenizer.pretrained import pretrained
from fastrun.components.tokenizer.restore import restore
from fastrun.errors import ConfigError

pytest.importorskip("tokenizers")

WORDS = "the quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 30
OTHER = "never seen: é漢🙂\n\tand   spaces  "
SMALL = ["data=text", "data.root=it.txt", "data.length=8", "model=gpt", "model.width=8", "model.heads=2"]
SMALL += ["model.depth=1", "batch.size=8", "tokenizer=bpe", "tokenizer.size=300", "amp=off", "speed=plain"]


def test_bpe_loses_nothing_and_is_the_same_each_time() -> None:
    one, other = (bpe(size=300).train([WORDS], pads=False) for _ in range(2))
    assert one.state() == other.state()
    assert 256 < len(one.names) <= 300
    for part in (WORDS, OTHER):
        (tokens,) = one.encode([part])
        assert one.decode(tokens) == part
    assert len(one.encode([WORDS])[0]) < len(WORDS) / 2


@pytest.mark.parametrize("trainer", [bpe(size=300), CharacterTrainer()])
def test_whole_texts_are_cut_off_or_filled_up_and_a_kept_tokenizer_is_the_same(trainer) -> None:
    tokenizer = trainer.train([WORDS], pads=True)
    texts = ["fox", WORDS, ""]
    rows = tokenizer.encode_whole(texts, 16)
    assert [len(row) for row in rows] == [16] * 3
    assert rows[2] == [tokenizer.pad] * 16
    assert tokenizer.pad not in rows[1]
    kept = restore(json.loads(json.dumps(tokenizer.state())))
    assert kept.encode_whole(texts, 16) == rows
    assert kept.names == tokenizer.names


def test_a_tokenizer_sees_the_training_part_alone(tmp_path: Path) -> None:
    (tmp_path / "it.txt").write_text(WORDS + "zzzz " * 60)
    sets = text(str(tmp_path / "it.txt"), length=8, val_fraction=0.13, tokenizer=bpe(size=400))
    assert not any("zz" in name for name in sets["classes"])
    assert sets["about"]["bytes_per_token"]["train"] > sets["about"]["bytes_per_token"]["val"]
    x, y = sets["train"].tensors
    assert torch.equal(x[:, 1:], y[:, :-1])


def test_a_run_keeps_its_tokenizer_for_evaluation_and_for_going_on_with_a_text(folder: Path, capfd) -> None:
    (folder / "it.txt").write_text(WORDS)
    run = fastrun.train([*SMALL, "steps=2"], quiet=True)
    (folder / "new.txt").write_text(OTHER * 20)
    assert main(["eval", str(run.directory), "data.root=new.txt"]) == 0
    assert main(["predict", str(run.directory), "--prompt", OTHER, "--length", "5"]) == 0
    out = capfd.readouterr().out
    assert "new" in out
    assert OTHER in out
    found = json.loads((run.directory / "data.json").read_text())
    assert found["vocabulary"] <= 300
    assert found["tokens"]["train"] < found["characters"]["train"]


def test_what_is_no_tokenizer_is_refused_in_a_line(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="is no tokenizer"):
        pretrained("tokenizer.json").train([], pads=False)
    with pytest.raises(ConfigError, match="no such file or folder"):
        pretrained("no/such/folder").train([], pads=False)
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no tokenizer\.json"):
        pretrained("empty").train([], pads=False)
    with pytest.raises(ConfigError, match=r"tokenizer\.source is not set"):
        pretrained()


def test_data_without_text_takes_no_tokenizer(folder: Path, capfd) -> None:
    assert main(["train", "data=digits", "model=mlp", "tokenizer=bpe", "steps=1"]) == 2
    assert "tokenizer=bpe: data=digits takes no tokenizer" in capfd.readouterr().err
