"""What a run does and leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

import fastrun
from fastrun.cli.main import main
from fastrun.errors import ConfigError, UsageError
from fastrun.report.run import Run

QUICK = ["model=mlp", "model.hidden=[16]", "epochs=2", "amp=off"]


def test_a_run_leaves_everything_that_is_promised(folder: Path, lines) -> None:
    run = fastrun.train([*QUICK, "name=whole", "target.value=0.05", "target.stop=false"], quiet=True)
    found = {path.name for path in run.directory.iterdir()}
    assert found == {
        "config.yaml",
        "data.json",
        "overrides.yaml",
        "status.json",
        "metrics.jsonl",
        "summary.json",
        "checkpoints",
        "run.log",
        "lock",
    }
    assert run.directory.parent == folder / "outputs" / "whole"
    status = json.loads((run.directory / "status.json").read_text())
    assert status["status"] == "finished"
    assert (status["exit_code"], status["attempts"]) == (0, 1)
    summary = json.loads((run.directory / "summary.json").read_text())
    assert summary["target"]["reached"]
    assert 0 < summary["target"]["train_seconds"] < summary["target"]["wall_seconds"]
    assert set(summary["clock"]) == {"startup", "compile", "data_wait", "train", "validate", "checkpoint", "total"}
    assert (summary["steps"], summary["epochs"], summary["samples"]) == (16, 2, 16 * 128)
    assert summary["best"]["checkpoint"].startswith("checkpoints/step-")
    assert summary["memory"]["process"] > 1 << 20
    assert summary["memory"]["device"] is None
    assert summary["heuristics"]["amp"] == {"requested": "off", "used": "32-true", "why": "amp=off"}
    steps = [line["step"] for line in lines(run.directory) if "train/loss" in line]
    assert steps == list(range(1, 17))
    assert [line["step"] for line in lines(run.directory) if "val/acc" in line] == [8, 16]


def test_the_config_is_enough_to_run_it_again(folder: Path) -> None:
    first = fastrun.train([*QUICK, "seed=3"], quiet=True)
    config = yaml.safe_load((first.directory / "config.yaml").read_text())
    assert config["seed"] == 3
    assert config["choices"]["model"] == "mlp"
    again = fastrun.train(yaml.safe_load((first.directory / "overrides.yaml").read_text()), quiet=True)
    assert weights_equal(first, again)


def test_the_loaded_model_takes_samples_as_the_data_set_has_them(folder: Path) -> None:
    from fastrun.components.data.digits import digits

    run = fastrun.train([*QUICK, "epochs=5"], quiet=True)
    x, y = digits()["val"].tensors
    accuracy = (run.load_model()(x).argmax(1) == y).float().mean().item()
    assert accuracy == pytest.approx(run.summary["best"]["value"], abs=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_steps_a_call_change_nothing(folder: Path, count: int) -> None:
    own = ["augment=crop_flip", "model.dropout=0.2", "optimizer=nesterov", "clip=norm"]
    one = fastrun.train([*QUICK, *own, "speed.steps_per_call=1"], quiet=True)
    many = fastrun.train([*QUICK, *own, f"speed.steps_per_call={count}"], quiet=True)
    assert weights_equal(one, many)


@pytest.mark.sampled
@pytest.mark.parametrize("count", [3, 50])
def test_calls_that_do_not_fit_an_epoch_change_nothing(folder: Path, count: int) -> None:
    own = [*QUICK, "batch.size=100", "batch.drop_last=false", "epochs=3"]  # 11 steps an epoch, the last one smaller
    one, many = (fastrun.train([*own, f"speed.steps_per_call={calls}"], quiet=True) for calls in (1, count))
    assert many.summary["steps"] == 33
    assert weights_equal(one, many)


def test_a_set_that_does_not_fit_the_device_is_loaded_by_workers(folder: Path, monkeypatch, capsys) -> None:
    own = [*QUICK, "epochs=1", "augment=crop"]
    resident = fastrun.train(own, quiet=True)
    monkeypatch.setattr("fastrun.training.builders.loaders.free_bytes", lambda device: 100_000)
    loaded = fastrun.train(own)
    pipeline = loaded.summary["heuristics"]["pipeline"]
    assert (pipeline["requested"], pipeline["used"]) == ("auto", "workers")
    assert "pipeline: workers (the data needs 0.1 MiB, more than half of the 0.1 MiB free" in capsys.readouterr().out
    assert weights_equal(resident, loaded)


@pytest.mark.sampled
@pytest.mark.parametrize("pipeline", ["workers", "plain"])
def test_every_pipeline_trains_the_same_network(folder: Path, pipeline: str) -> None:
    own = [*QUICK, "epochs=1", "augment=crop_flip"]
    assert weights_equal(fastrun.train(own, quiet=True), fastrun.train([*own, f"pipeline={pipeline}"], quiet=True))


def test_accumulation_gives_the_gradient_of_the_whole_batch(folder: Path) -> None:
    own = [*QUICK, "norm=none", "optimizer=sgd", "batch.size=100"]
    whole = fastrun.train(own, quiet=True).load_model("last").state_dict()
    parts = fastrun.train([*own, "batch.accumulate=3"], quiet=True).load_model("last").state_dict()
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1.0), ("linear", 0.5), ("sqrt", 0.5**0.5)])
def test_the_learning_rate_follows_the_batch(folder: Path, lines, scaling: str, factor: float) -> None:
    own = ["schedule=constant", "optimizer.lr=0.01", f"batch.lr_scaling={scaling}", "steps=1"]
    run = fastrun.train([*QUICK, *own], quiet=True)
    assert lines(run.directory)[0]["lr"] == pytest.approx(0.01 * factor)


def test_the_run_stops_at_the_target(folder: Path) -> None:
    run = fastrun.train([*QUICK, "epochs=50", "target.value=0.5"], quiet=True)
    assert run.summary["target"]["reached"]
    assert run.summary["steps"] == run.summary["target"]["steps"] < 50 * 8
    assert "reached 0.5" in run.summary["stopped"]


def test_lightnings_own_early_stopping_finds_what_was_measured(folder: Path) -> None:
    stopping = "{_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/acc, patience: 1, mode: max}"
    own = [
        f"+callbacks.stop={stopping}",
        "optimizer=sgd",
        "optimizer.lr=1e-12",
        "norm=none",
        "schedule=constant",
        "epochs=9",
    ]
    run = fastrun.train([*QUICK, *own, "checkpoint.every=9ep"], quiet=True)
    assert run.summary["steps"] == 2 * 8
    assert run.load_model("last") is not None
    assert (run.directory / "checkpoints/step-00000016.ckpt").is_file()


def test_a_target_out_of_reach_has_no_time(folder: Path) -> None:
    target = fastrun.train([*QUICK, "target.metric=val/loss", "target.value=0"], quiet=True).summary["target"]
    assert not target["reached"]
    assert target["train_seconds"] is None
    assert target["steps"] is None


def test_early_stopping_waits_as_long_as_asked(folder: Path) -> None:
    own = ["early_stopping=patience", "early_stopping.patience=3", "optimizer=sgd", "optimizer.lr=1e-12", "norm=none"]
    run = fastrun.train([*QUICK, *own, "epochs=30", "schedule=constant"], quiet=True)
    assert run.summary["steps"] == 4 * 8  # the first validation, then three that are no better
    assert "3 validations" in run.summary["stopped"]


def test_steps_override_epochs_and_the_last_step_validates(folder: Path, lines) -> None:
    run = fastrun.train([*QUICK, "steps=11", "val_every=5", "log_every=4"], quiet=True)
    assert [line["step"] for line in lines(run.directory) if "val/acc" in line] == [5, 10, 11]
    assert [line["step"] for line in lines(run.directory) if "train/loss" in line] == [4, 8, 11]


def test_the_newest_checkpoints_and_the_best_are_kept(folder: Path) -> None:
    run = fastrun.train([*QUICK, "epochs=6", "checkpoint.every=3"], quiet=True)
    kept = sorted(int(path.stem.removeprefix("step-")) for path in run.directory.glob("checkpoints/*.ckpt"))
    assert kept[-2:] == [45, 48]
    assert run.summary["best"]["step"] in kept
    assert len(kept) <= 3


def test_checkpoint_none_saves_nothing(folder: Path) -> None:
    run = fastrun.train([*QUICK, "checkpoint=none"], quiet=True)
    assert list(run.directory.glob("checkpoints/*")) == []
    assert run.summary["best"]["checkpoint"] is None


def test_a_users_callback_sees_epochs_and_steps_of_the_run(folder: Path) -> None:
    (folder / "watching.py").write_text(
        "import pytorch_lightning as pl\n"
        "seen = []\n"
        "class Watch(pl.Callback):\n"
        "    def on_train_epoch_end(self, trainer, module):\n"
        "        seen.append((trainer.current_epoch, trainer.global_step, 'val/acc' in trainer.callback_metrics))\n"
    )
    fastrun.train([*QUICK, "epochs=3", "+callbacks.mine._target_=watching.Watch"], quiet=True)
    import watching

    assert watching.seen == [(0, 8, True), (1, 16, True), (2, 24, True)]


def test_a_users_model_and_data_work_from_their_own_folder(folder: Path) -> None:
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/data").mkdir()
    (folder / "conf/model/mine.yaml").write_text("# My net\n_target_: mine_here.net\nhidden: 8\n")
    (folder / "conf/data/mine.yaml").write_text("# My data\n_target_: mine_here.datasets\n")
    (folder / "mine_here.py").write_text(
        "import torch\n"
        "from torch.utils.data import Dataset\n"
        "def net(num_classes, hidden):\n"
        "    return torch.nn.Sequential(torch.nn.Linear(3, hidden), torch.nn.Linear(hidden, num_classes))\n"
        "class Rows(Dataset):\n"
        "    def __len__(self): return 40\n"
        "    def __getitem__(self, i): return torch.tensor([i % 2, 1.0, i / 40]), i % 2\n"
        "def datasets(): return {'train': Rows(), 'val': Rows()}\n"
    )
    run = fastrun.train(
        ["model=mine", "data=mine", "model.hidden=9", "batch.size=10", "pipeline.num_workers=0"], quiet=True
    )
    assert run.summary["heuristics"]["pipeline"]["used"] == "workers"
    assert run.summary["heuristics"]["norm"]["used"] == "the model's own"
    assert run.summary["best"]["value"] > 0.9


def test_a_batch_larger_than_the_set_is_cut_and_says_so(folder: Path) -> None:
    run = fastrun.train([*QUICK, "batch.size=5000", "epochs=1"], quiet=True)
    assert run.summary["steps"] == 1
    assert run.summary["heuristics"]["batch"]["why"] == "the training set has only 1078 samples"


def test_a_text_is_split_as_a_shell_splits_it(folder: Path) -> None:
    run = fastrun.train("model=mlp 'model.hidden=[8, 8]' amp=off epochs=1", quiet=True)
    assert run.settings.model["hidden"] == [8, 8]
    assert run.metrics[-1].keys() >= {"step", "val/loss", "val/acc"}
    with pytest.raises(UsageError, match="no closing quotation"):
        fastrun.train("name='mine", quiet=True)


def test_python_gets_exceptions_where_the_command_line_gets_exit_codes(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no such option"):
        fastrun.train(["optimizer=admw"], quiet=True)
    with pytest.raises(UsageError):
        fastrun.train([*QUICK, "-m", "seed=1,2"], quiet=True)


def test_the_console_shows_a_line_an_epoch_and_the_result(folder: Path, capfd) -> None:
    assert main(["train", *QUICK]) == 0
    out = capfd.readouterr().out
    assert out.count("epoch ") == 2
    assert all(word in out for word in ("result ", "wall clock", "samples/s", "directory"))


def test_real_clothes_train(folder: Path) -> None:
    root = Path(__file__).parents[3] / "shared/data/fashion-mnist"
    if not root.is_dir():
        pytest.skip("Fashion-MNIST is not on this machine")
    run = fastrun.train(["data=fashion_mnist", f"data.root={root}", "model=mlp", "steps=100"], quiet=True)
    assert run.summary["best"]["value"] > 0.7


def weights_equal(one: Run, other: Run) -> bool:
    a, b = one.load_model("last").state_dict(), other.load_model("last").state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
