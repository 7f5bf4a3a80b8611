"""Mistakes that show before torch is imported: each is refused in one line, and leaves no run directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

TABLE = ["data=table", "data.root=houses.csv", "model=mlp"]

# The arguments of `fastrun train`, the exit code, and words of the error.
FEW = [
    (["device=gpu"], 2, "torch finds no GPU on this machine\nhint: use device=auto or device=cpu"),
    (["data=mnist", "data.root=empty"], 3, "empty/train-images-idx3-ubyte.gz is missing"),
    (["data=cifar10", "data.root=nowhere"], 3, "data.root=nowhere is not a folder"),
    (["data=image_folder", "data.root=flat"], 3, "flat has images but no folders of classes"),
    (["data=stream", "data.root=nowhere"], 3, "data.root=nowhere is not a folder"),
    (["data=stream", "data.root=empty"], 3, "data.root=empty has no pack.json"),
    (["data=text", "data.root=nowhere.txt"], 3, "data.root=nowhere.txt does not exist"),
    ([*TABLE, "data.target=prise"], 2, "data.target=prise: the table has no such column\nhint: did you mean price?"),
    (["schedule.warmup=120%"], 2, "leaves no steps of the 10 epochs of the run\nhint: use a shorter warmup"),
    (["schedule.warmup=5ep", "epochs=3"], 2, "schedule.warmup=5ep leaves no steps of the 3 epochs of the run"),
    (["schedule.warmup=200", "steps=100"], 2, "schedule.warmup=200 leaves no steps of the 100 of the run"),
    (["optimizer.lr=-1"], 2, "optimizer.lr=-1 is too small\nhint: the minimum is 0"),
    (["+model.wdth=3"], 2, "did you mean width?"),
]

# More of the same kinds.
MORE = [
    # the device
    (["amp=fp16"], 2, "amp=fp16 needs a GPU"),
    (["amp=fp16", "device=cpu"], 2, "amp=fp16 needs a GPU"),
    # data.root
    (["data=fashion_mnist", "data.root=nowhere"], 3, "data.root=nowhere is not a folder"),
    (["data=mnist", "data.root=houses.csv"], 3, "data.root=houses.csv is not a folder"),
    (["data=cifar100", "data.root=empty"], 3, "CIFAR-100 is not in empty"),
    (["data=image_folder", "data.root=nowhere", "data.size=8"], 3, "data.root=nowhere is not a folder"),
    (["data=image_folder", "data.root=empty"], 3, "empty has no folders of classes"),
    (["data=image_folder", "data.root=untrained"], 3, "untrained has val but no train"),
    (["data=text", "data.root=empty"], 3, "data.root=empty is a folder"),
    (["data=text", "data.root=empty.txt"], 3, "empty.txt is empty"),
    (["data=table", "data.root=nowhere.csv", "data.target=price"], 3, "data.root=nowhere.csv does not exist"),
    (["data=table", "data.root=flat/a.png", "data.target=price"], 2, "cannot read .png"),
    (["data=table", "data.root=twice.csv", "data.target=a"], 3, "twice.csv has 2 columns named a"),
    # folders and names of the hub
    (["data=hf", "data.source=nowhere.csv", "data.text=a"], 2, "data.source=nowhere.csv: no such file or folder"),
    (["model=hf", "model.source=no/such/folder"], 2, "model.source=no/such/folder: no such file or folder"),
    (
        ["tokenizer=pretrained", "tokenizer.source=no/such/folder", "data=text", "data.root=houses.csv", "model=gpt"],
        2,
        "tokenizer.source=no/such/folder: no such file or folder",
    ),
    # columns
    ([*TABLE], 2, "data.target is not set\nhint: choose one of price, rooms, street"),
    ([*TABLE, "data.target=price", "data.drop=[id]"], 2, "data.drop=id: the table has no such column"),
    ([*TABLE, "data.target=price", "data.drop=[price]"], 2, "also in data.drop"),
    ([*TABLE, "data.root=houses.parquet", "data.target=pries"], 2, "did you mean price?"),
    # the schedule
    (["schedule.warmup=soon"], 2, "schedule.warmup=soon is not a duration"),
    (["schedule.warmup=100%", "steps=9"], 2, "leaves no steps of the 9 of the run"),
    (["schedule.warmup=1.5"], 2, "schedule.warmup=1.5 is not a share of the run"),
    (["schedule=wsd", "schedule.decay=9ep", "schedule.warmup=2ep"], 2, "9 epochs, more than the 8 that the warmup"),
    (["schedule=multistep", "schedule.milestones=[30ep]"], 2, "is epoch 30 of a run of 10"),
    (["schedule=multistep", "schedule.milestones=[30]", "steps=20"], 2, "is step 30 of a run of 20"),
    (["schedule=plateau", "schedule.factor=2"], 2, "it must be in [0, 1)"),
    (["early_stopping=budget", "early_stopping.steps=50", "schedule.warmup=60"], 2, "leaves no steps of the 50"),
    # arguments of components
    (["optimizer.lr=abc"], 2, "optimizer.lr=abc has the wrong type\nhint: torch.optim.AdamW expects float"),
    (["optimizer.betas=[0.9]"], 2, "optimizer.betas=[0.9] has the wrong type"),
    (["+optimizer.foo=1"], 2, "it takes params, lr"),
    (["optimizer=muon", "optimizer.momentum=1.5"], 2, "optimizer.momentum=1.5 is too large"),
    (["model=mlp", "model.hidden=4"], 2, "model.hidden=4 has the wrong type"),
    (["model=mlp", "model.activation=rleu"], 2, "did you mean relu?"),
    (["loss=cross_entropy", "loss.label_smoothing=1"], 2, "it must be in [0, 1)"),
    (["augment=flip", "augment.flip=sometimes"], 2, "choose from none, random, alternating"),
    (["data=synthetic", "data.samples=0"], 2, "the minimum is 1"),
    (["init=lsuv", "init.samples=1"], 2, "the minimum is 2"),
    (["optimizer.layer_decay=1.5"], 2, "optimizer.layer_decay=1.5 is not in (0, 1]"),
    (["optimizer.lr_scale={head.*:-1}"], 2, "the factor -1 of head.* is not a number of at least 0"),
    (["transfer=finetune"], 2, "transfer.source is not set"),
    (["transfer=finetune", "transfer.source=nowhere.pth"], 6, "transfer.source=nowhere.pth: no such file"),
    (["transfer=linear_probe", "transfer.source=empty"], 6, "empty is not a run directory"),
    (["+callbacks.mine=3"], 2, "callbacks.mine._target_=mymod.name"),
]

SCRIPT = """
import contextlib, io, json, sys
from fastrun.cli.main import main
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = main(["train", *arguments])
    heavy = sorted({"torch", "pytorch_lightning", "torchmetrics", "sklearn"} & sys.modules.keys())
    print(json.dumps({"code": code, "said": said.getvalue(), "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of many kinds, most of them wrong."""
    polars = pytest.importorskip("polars")
    folder = tmp_path_factory.mktemp("early")
    for name in ("empty", "flat", "untrained/val/ant"):
        (folder / name).mkdir(parents=True)
    (folder / "flat/a.png").touch()
    (folder / "empty.txt").touch()
    (folder / "houses.csv").write_text("price,rooms,street\n1.5,2,main\n2.5,3,side\n")
    (folder / "twice.csv").write_text("a,a\n1,2\n")
    polars.DataFrame({"price": [1.5, 2.5], "rooms": [2, 3]}).write_parquet(folder / "houses.parquet")
    return folder


def refuse(data: Path, mistakes: list[Any]) -> None:
    """Make mistakes, in one process without a GPU that never needs to import torch; none leaves a run directory."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([arguments for arguments, _, _ in mistakes]),
        capture_output=True,
        text=True,
        cwd=data,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for (arguments, code, words), line in zip(mistakes, done.stdout.splitlines(), strict=True):
        found = json.loads(line)
        assert (found["code"], found["heavy"]) == (code, []), arguments
        assert words in found["said"], (arguments, found["said"])
        assert found["said"].startswith("error: "), arguments
    assert not list(data.glob("outputs/*/*"))


def test_a_mistake_is_refused_before_torch_is_imported(data: Path) -> None:
    refuse(data, FEW)


@pytest.mark.slow
def test_more_mistakes_are_refused_before_torch_is_imported(data: Path) -> None:
    refuse(data, MORE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["schedule.warmup=5000", "epochs=1"], "leaves no steps of the 8 of the run"),
        (["data.samples=100", "batch.size=50", "data.val_fraction=0"], "the val set is empty"),
        (["data.samples=86", "batch.size=65", "batch.drop_last=false"], "a batch of one sample"),
    ],
)
def test_a_mistake_that_only_the_data_shows_leaves_no_run_directory_either(shell, folder, arguments, words) -> None:
    tiny = ["data=synthetic", "data.shape=[4]", "data.samples=1366", "model=mlp", "model.hidden=[4]"]
    done = shell("train", *tiny, *arguments)
    assert done.returncode in (2, 3)
    assert words in done.stderr
    assert "nothing was trained: the run directory is removed" in done.stdout
    assert not list(folder.glob("outputs/*/*"))


def test_a_directory_with_something_of_the_users_is_left_alone(shell, folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/notes.txt").write_text("keep me")
    assert shell("train", "schedule.warmup=5000", "epochs=1", "hydra.run.dir=mine").returncode == 2
    assert (folder / "mine/notes.txt").read_text() == "keep me"
    assert json.loads((folder / "mine/status.json").read_text())["exit_code"] == 2


@pytest.mark.slow
def test_a_refused_job_of_a_sweep_keeps_its_record_and_the_others_run(shell, folder: Path) -> None:
    tiny = ["data=synthetic", "data.shape=[4]", "data.samples=100", "model=mlp", "model.hidden=[4]", "steps=2"]
    assert shell("train", "-m", *tiny, "optimizer.lr=-1,0.1").returncode == 2
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("outputs/*/sweep-*/ledger/*.json"))]
    assert [record["state"] for record in records] == ["failed", "finished"]
    assert records[0]["error"] == "optimizer.lr=-1 is too small"
    (status,) = folder.glob("outputs/*/sweep-*/0-*/status.json")
    assert json.loads(status.read_text())["exit_code"] == 2


def test_resume_and_eval_refuse_data_that_is_not_there_and_leave_the_run_as_it_is(shell, folder: Path) -> None:
    (folder / "text.txt").write_text("abcd" * 100)
    made = shell("train", "+recipe=text_lstm", "data.root=text.txt", "data.length=8", "steps=1", "batch.size=4")
    assert made.returncode == 0, made.stderr
    (run,) = folder.glob("outputs/*/*")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for arguments in (["resume", str(run), "data.root=gone.txt", "steps=2"], ["eval", str(run), "data.root=gone.txt"]):
        done = shell(*arguments)
        assert done.returncode == 3
        assert "data.root=gone.txt does not exist" in done.stderr
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
