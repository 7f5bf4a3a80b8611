"""``fastrun find``: what it prints, that it leaves nothing behind, and mistakes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch

from fastrun.cli.commands.completion import words
from fastrun.cli.main import main

SMALL = ["data=digits", "model=mlp", "model.hidden=[16]", "batch.size=64", "steps=30", "amp=off"]


def test_the_last_line_is_the_command_to_type(folder: Path, capsys) -> None:
    before = torch.get_rng_state(), torch.get_num_threads()
    assert main(["find", "lr", *SMALL, "optimizer.lr=0.5", "--seeds", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "range test of 1 network over 100 steps" in printed[0]
    assert any("┤" in line for line in printed)
    command = shlex.split(printed[-1])
    assert command[:2] == ["fastrun", "train"]
    assert "optimizer.lr=0.5" not in command
    assert command[-1].startswith("optimizer.lr=")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_num_threads()
    assert list(folder.iterdir()) == []
    assert main(["train", *command[2:], "epochs=1", "steps=null"]) == 0


def test_json_has_everything_as_plain_values(folder: Path, capsys) -> None:
    assert main(["find", "optimizer.weight_decay", *SMALL, "--seeds", "2", "--steps", "10", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["key"] == "optimizer.weight_decay"
    assert record["present"] == 0.01
    assert [len(candidate["losses"]) for candidate in record["candidates"]][:5] == [2] * 5
    assert record["command"].startswith("fastrun train data=digits")
    assert record["overrides"] == [f"optimizer.weight_decay={record['suggestion']:g}"]
    assert main(["find", "lr", *SMALL, "--seeds", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["range"][0] < record["suggestion"] < record["range"][1]
    assert len(record["tests"][0]["rates"]) == len(record["tests"][0]["losses"])


@pytest.mark.slow
def test_a_batch_is_found_with_its_rate(folder: Path, capsys) -> None:
    assert main(["find", "batch", *SMALL, "--seeds", "1", "--steps", "10"]) == 0
    printed = capsys.readouterr().out
    assert "largest that fits" in printed
    assert "critical batch" in printed
    assert "batch.size=" in printed.splitlines()[-1]


def test_the_picture_is_drawn_where_it_is_asked_for_and_overwrites_nothing(folder: Path, capsys) -> None:
    arguments = ["find", "momentum", *SMALL, "--seeds", "1", "--steps", "10", "--png", "curve.png"]
    assert main(arguments) == 0
    assert [path.name for path in folder.iterdir()] == ["curve.png"]
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
    assert main(arguments) == 2
    assert "already exists" in capsys.readouterr().err


def test_secrets_are_not_printed(folder: Path, capsys) -> None:
    secret = "logger=wandb", "+logger.api_key=sesame-open-now"
    main(["find", "optimizer.eps", *SMALL, *secret, "--seeds", "1", "--steps", "10"])
    printed = capsys.readouterr()
    assert "sesame-open-now" not in printed.out + printed.err


MISTAKES = [
    ([], "fastrun find lr"),
    (["+recipe=mlp_fast"], "fastrun find lr +recipe=mlp_fast"),
    (["seed"], "no log scale"),
    (["epochs"], "no log scale"),
    (["clip.max"], "choose clip=agc"),
    (["weight_decay"], "did you mean optimizer.weight_decay?"),
    (["learning_rate"], "did you mean optimizer.lr?"),
    (["lr", "optimizer.lrr=1"], "did you mean optimizer.lr?"),
    (["lr", "device=ddp", "device.count=2"], "one process"),
    (["lr", "batch=auto"], "`fastrun find batch`"),
    (["lr", "early_stopping=budget", "early_stopping.seconds=5"], "early_stopping=none"),
    (["lr", "--seeds", "0"], "from 1 on"),
    (["lr", "--steps", "3"], "from 10 on"),
    (["lr", "--seconds", "soon"], "number of seconds"),
    (["lr", "--sceonds", "3"], "see `fastrun find --help`"),
    (["lr", *SMALL, "--seconds", "0.0001"], "a larger --seconds"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("arguments", "hint"), MISTAKES, ids=lambda value: " ".join(value) if value else "nothing")
def test_a_mistake_is_a_line_and_a_hint(folder: Path, capsys, arguments: list[str], hint: str) -> None:
    assert main(["find", *arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert hint in printed
    assert "Traceback" not in printed
    assert printed.count("\n") == 2
    assert list(folder.iterdir()) == []


def test_completion_offers_what_can_be_found_and_then_overrides() -> None:
    assert "batch" in words("fastrun find ")
    assert words("fastrun find lr +rec") == ["+recipe="]
