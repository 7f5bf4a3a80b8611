"""Runs and checkpoints of another format are refused in a line; those of another torch go on, and the run says so."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

import fastrun
from fastrun.cli.main import main
from fastrun.storage.atomic import sha256_of
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.format import FORMAT
from fastrun.storage.run_dir import RunDir

TINY = ["data=synthetic", "data.samples=64", "data.shape=[1,4,4]", "model=mlp", "model.hidden=[8]", "batch.size=8",
        "amp=off", "speed=plain", "steps=2"]  # fmt: skip
REFUSED = f"; this version of fastrun reads format {FORMAT}"
COMMANDS = {
    "resume": ["resume", "run", "steps=4"],
    "eval": ["eval", "run", "--ckpt", "last"],
    "transfer": ["train", *TINY, "transfer=finetune", "transfer.source=run"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("outputs")
    return fastrun.train([*TINY, f"outputs={outputs}"], quiet=True).directory


@pytest.fixture
def run(trained: Path, folder: Path) -> RunDir:
    """A run in the current folder, with a checkpoint after step 2."""
    return RunDir(Path(shutil.copytree(trained, folder / "run")))


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Callable[[list[str]], tuple[str, str]]:
    """Run a command that is refused with exit code 6; return the error and the hint."""

    def refuse(command: list[str]) -> tuple[str, str]:
        capfd.readouterr()
        assert main(command) == 6
        error, hint = [line for line in capfd.readouterr().err.splitlines() if line.startswith(("error: ", "hint: "))]
        return error, hint

    return refuse


def with_format(content: dict, number: int | None) -> dict:
    content.pop("format")
    return content if number is None else {"format": number} | content


def change_config(run: RunDir, number: int | None) -> None:
    path = run.path / "config.yaml"
    path.write_text(yaml.safe_dump(with_format(yaml.safe_load(path.read_text()), number)))


def change_checkpoint(run: RunDir, number: int | None) -> None:
    """Write the newest checkpoint and its manifest with another format number."""
    saved, _ = run.newest_good()
    content = torch.load(saved.path, weights_only=True)
    content["fastrun"] = with_format(content["fastrun"], number)
    torch.save(content, saved.path)
    SavedCheckpoint(
        saved.path, saved.step, sha256_of(saved.path), saved.path.stat().st_size, saved.metrics
    ).write_manifest()


def files(run: RunDir) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("number", "description"), [(None, "has no format number"), (1, "has format 1"), (99, "has format 99")]
)
def test_a_run_of_another_format_is_refused_and_the_hint_trains_it_again(run, refused, number, description):
    change_config(run, number)
    before = files(run)
    error, hint = refused(COMMANDS["resume"])
    assert error == f"error: run {description}{REFUSED}"
    assert "train again: fastrun train " in hint
    arguments = shlex.split(hint.partition("train again: fastrun ")[2])
    assert arguments[: len(TINY) + 1] == ["train", *TINY]
    assert files(run) == before


@pytest.mark.parametrize("command", ["eval", "transfer"])
def test_neither_is_such_a_run_evaluated_nor_its_weights_used(run, refused, command):
    change_config(run, None)
    assert refused(COMMANDS[command])[0] == f"error: run has no format number{REFUSED}"


def test_the_command_in_the_hint_trains(run, refused):
    change_config(run, None)
    _, hint = refused(COMMANDS["resume"])
    arguments = shlex.split(hint.partition("train again: fastrun ")[2])
    assert main([*arguments, "outputs=again"]) == 0


def test_a_finished_run_of_another_format_is_not_said_to_be_resumable(run, refused):
    change_config(run, 1)
    assert refused(["resume", "run"])[0] == f"error: run has format 1{REFUSED}"


@pytest.mark.parametrize(
    ("command", "number"), [("resume", None), ("resume", 99), ("eval", None), ("eval", 1), ("transfer", None)]
)
def test_a_checkpoint_of_another_format_is_refused(run, refused, command, number):
    change_checkpoint(run, number)
    path = run.newest_good()[0].path
    before = files(run)
    error, hint = refused(COMMANDS[command])
    assert Path(error.removeprefix("error: ").partition(" has ")[0]).resolve() == path.resolve()
    assert error.endswith(f" has {'no format number' if number is None else f'format {number}'}{REFUSED}")
    assert "train again" in hint
    assert {path: content for path, content in files(run).items() if path.parent == run.checkpoints} == {
        path: content for path, content in before.items() if path.parent == run.checkpoints
    }


@pytest.mark.parametrize("overrides", [["steps=4"], ["steps=4", "optimizer.lr=0.01"]])
def test_a_checkpoint_of_another_format_leaves_the_run_as_it_was(run, refused, overrides):
    change_checkpoint(run, 99)
    before = files(run)
    refused(["resume", "run", *overrides])
    assert files(run).keys() == before.keys()
    assert RunDir(run.path).status() == "finished"


def test_a_resumed_run_says_once_that_another_torch_wrote_its_checkpoint(run, capfd):
    manifest = run.newest_good()[0].path.with_suffix(".json")
    content = json.loads(manifest.read_text())
    content["versions"]["torch"] = "1.2.3+cpu"
    manifest.write_text(json.dumps(content))
    assert main(["resume", "run", "steps=4"]) == 0
    note = f"the checkpoint is from torch 1.2.3+cpu, now {torch.__version__}: the last bits may differ from here on"
    printed = "".join(capfd.readouterr())
    assert printed.count(note) == 1
    assert (run.path / "run.log").read_text().count(note) == 1
    assert main(["resume", "run", "steps=6"]) == 0  # from a checkpoint that this version wrote
    assert (run.path / "run.log").read_text().count("the last bits may differ") == 1
    assert run.newest_good()[0].step == 6


def test_a_run_that_the_same_versions_go_on_with_says_nothing_of_them(run):
    assert main(["resume", "run", "steps=4"]) == 0
    assert "the last bits may differ" not in (run.path / "run.log").read_text()
