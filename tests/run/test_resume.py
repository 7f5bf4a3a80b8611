"""A run that dies goes on exactly where it was."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir

HARD = ["data=synthetic", "data.samples=512", "data.shape=[1,8,8]", "data.noise=3", "model=mlp", "model.hidden=[32]",
        "model.dropout=0.3", "augment=crop_flip", "batch.size=16", "epochs=3", "checkpoint.every=7",
        "early_stopping=patience", "clip=norm", "schedule=cosine"]  # fmt: skip
KILLER = """
import os, signal
from pathlib import Path
import pytorch_lightning as pl

class Kill(pl.Callback):
    def __init__(self, at, number):
        self.at, self.number = at, number
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= self.at and not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), self.number)
"""


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = max(run.glob("checkpoints/*.ckpt"))
    return torch.load(newest, weights_only=True)["state_dict"]


def assert_same(one: Path, other: Path) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


OUTSIDE = """
import os, signal
import pytorch_lightning as pl

class Outside(pl.Callback):
    def on_validation_start(self, trainer, module):
        if module.state.step >= 46:
            os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.slow
def test_a_signal_between_two_steps_is_not_taken_by_lightning(folder: Path, shell) -> None:
    (folder / "outside.py").write_text(OUTSIDE)
    done = shell("train", *HARD, "name=killed", "+callbacks.kill._target_=outside.Outside", "early_stopping=none")
    assert done.returncode == 143, done.stderr
    (run,) = folder.glob("outputs/killed/*")
    assert RunDir(run).status() == "interrupted"


def killed(folder: Path, shell, at: int, number: int, *overrides: str) -> tuple[Path, int]:
    (folder / "killer.py").write_text(KILLER)
    done = shell(
        "train",
        *HARD,
        "name=killed",
        f"+callbacks.kill={{_target_: killer.Kill, at: {at}, number: {int(number)}}}",
        *overrides,
    )
    (run,) = folder.glob("outputs/killed/*")
    return run, done.returncode


@pytest.mark.sampled
@pytest.mark.parametrize(("at", "overrides"), [(30, []), (59, ["pipeline=workers"])], ids=["resident", "workers"])
def test_a_run_killed_in_mid_epoch_ends_with_the_same_weights_bit_for_bit(
    folder: Path, shell, lines, at, overrides
) -> None:
    run, code = killed(folder, shell, at, signal.SIGKILL, *overrides)
    assert code == -signal.SIGKILL
    assert main(["runs"]) == 0
    assert RunDir(run).status() == "killed"
    left_alone = shell("train", *HARD, "name=whole", *overrides)
    assert left_alone.returncode == 0, left_alone.stderr
    resumed = shell("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    assert "going on from step" in resumed.stdout
    (whole,) = folder.glob("outputs/whole/*")
    assert_same(whole, run)
    trained = [{k: v for k, v in line.items() if k != "train_seconds"} for line in lines(run)]
    assert trained == [{k: v for k, v in line.items() if k != "train_seconds"} for line in lines(whole)]
    assert [line["step"] for line in trained if "train/loss" in line] == list(range(1, 70))


@pytest.mark.sampled
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(folder: Path, shell, lines, number: int, code: int) -> None:
    run, exit_code = killed(folder, shell, 20, number, "speed.steps_per_call=2")
    assert exit_code == code
    assert RunDir(run).status() == "interrupted"
    log = (run / "run.log").read_text()
    assert f"fastrun resume {run}" in log
    assert shell("resume", str(run)).returncode == 0
    assert [line["step"] for line in lines(run) if "train/loss" in line] == list(range(1, 70))


@pytest.mark.slow
def test_a_signal_where_a_validation_is_due_loses_nothing(folder: Path, shell, lines) -> None:
    run, code = killed(folder, shell, 23, signal.SIGINT)  # the last step of the first epoch
    assert code == 130
    assert shell("resume", str(run)).returncode == 0
    assert shell("train", *HARD, "name=whole").returncode == 0
    (whole,) = folder.glob("outputs/whole/*")
    measured, expected = (
        [{key: value for key, value in line.items() if key != "train_seconds"} for line in lines(one)]
        for one in (run, whole)
    )
    assert measured == expected
    assert RunDir(run).read("summary.json")["best"] == RunDir(whole).read("summary.json")["best"]


def train_here(*overrides: str) -> Path:
    return fastrun.train(["model=mlp", "model.hidden=[8]", "epochs=2", *overrides], quiet=True).directory


def test_a_finished_run_says_so(folder: Path, capfd) -> None:
    run = train_here()
    assert main(["resume", str(run)]) == 0
    assert "is finished" in capfd.readouterr().out


def test_more_epochs_go_on_from_the_last_one(folder: Path, lines) -> None:
    run = train_here()
    assert main(["resume", str(run), "epochs=4"]) == 0
    assert [line["step"] for line in lines(run) if "train/loss" in line] == list(range(1, 33))
    assert RunDir(run).config()["epochs"] == 4
    assert RunDir(run).read("status.json")["attempts"] == 2


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("onecycle", "from 1.2e-08 at step 16 to 0.00226"),
        ("cosine", "from "),
        ("constant", ""),
    ],
)
def test_a_schedule_that_jumps_where_a_run_is_made_longer_is_told(
    folder: Path, capfd, lines, schedule: str, says: str
) -> None:
    run = train_here(f"schedule={schedule}", "schedule.warmup=0")
    assert main(["resume", str(run), "epochs=4"]) == 0
    told = [line for line in capfd.readouterr().out.splitlines() if "the learning rate goes" in line]
    assert len(told) == bool(says)
    if told:
        assert says in told[0]
        rates = [line["lr"] for line in lines(run) if "lr" in line]
        assert f"from {rates[15]:.3g} at step 16 to {rates[16]:.3g}" in told[0]
        assert told[0].startswith("the schedule is fitted to 32 steps now: ")
        assert "schedule.on_extend=rewarm goes there along a line" in told[0]


def extended(run: Path, *overrides: str) -> int:
    return main(["resume", str(run), "epochs=6", "schedule.on_extend=rewarm", *overrides])


@pytest.mark.parametrize("schedule", ["onecycle", "constant"])
def test_a_run_that_is_made_longer_warms_up_to_the_new_curve_where_the_rate_would_jump(
    folder: Path, capfd, lines, schedule: str
) -> None:
    run = train_here(f"schedule={schedule}", "schedule.warmup=0")
    assert extended(run) == 0
    out = capfd.readouterr().out
    rates = [line["lr"] for line in lines(run) if "lr" in line]
    if schedule == "constant":
        assert "extended" not in RunDir(run).config()["schedule"]
        assert "the learning rate goes" not in out
        return
    assert RunDir(run).config()["schedule"]["extended"] == {"step": 16, "factor": 4e-6, "steps": 2}
    assert (
        f"schedule.on_extend=rewarm: the learning rate goes from {rates[15]:.3g} at step 16 to the curve of 48" in out
    )
    slope = (rates[18] - rates[15]) / 3
    assert rates[16:19] == pytest.approx([rates[15] + slope, rates[15] + 2 * slope, rates[15] + 3 * slope])


def test_a_run_that_was_extended_and_is_given_other_values_keeps_its_warmup(folder: Path, capfd) -> None:
    run = train_here("schedule=onecycle")
    assert extended(run) == 0
    before = RunDir(run).config()["schedule"]
    assert main(["resume", str(run), "log_every=2"]) == 0
    assert RunDir(run).config()["schedule"] == before
    assert main(["resume", str(run), "epochs=7", "schedule.on_extend=continue"]) == 0
    assert "extended" not in RunDir(run).config()["schedule"]


def test_a_run_of_an_older_fastrun_goes_on(folder: Path) -> None:
    run = train_here("schedule=onecycle")
    config = (run / "config.yaml").read_text()
    old = config.replace("  on_extend: continue\n", "").replace(
        "  accelerator: auto\n", "  accelerator: auto\n  strategy: auto\n"
    )
    assert len(old) == len(config) - len("  on_extend: continue\n") + len("  strategy: auto\n")
    (run / "config.yaml").write_text(old)
    assert extended(run) == 0
    assert "extended" in RunDir(run).config()["schedule"]
    assert "strategy" not in RunDir(run).config()["device"]


@pytest.mark.slow
@pytest.mark.parametrize("at", [48, 52, 60])
def test_a_run_that_was_extended_and_killed_ends_with_the_same_weights_bit_for_bit(
    folder: Path, shell, lines, at: int
) -> None:
    (folder / "killer.py").write_text(KILLER)
    kill = f"+callbacks.kill={{_target_: killer.Kill, at: {at}, number: {int(signal.SIGKILL)}}}"
    runs = {}
    for name in ("killed", "whole"):
        assert shell("train", *HARD, f"name={name}", kill, "epochs=2").returncode == 0
        (runs[name],) = folder.glob(f"outputs/{name}/*")
    longer = "epochs=5", "schedule.on_extend=rewarm"
    assert shell("resume", str(runs["killed"]), *longer).returncode == -signal.SIGKILL
    assert shell("resume", str(runs["killed"])).returncode == 0
    whole = shell("resume", str(runs["whole"]), *longer)  # the file "killed" is there now
    assert whole.returncode == 0
    assert "schedule.on_extend=rewarm: the learning rate goes from" in whole.stdout
    assert_same(runs["whole"], runs["killed"])
    rates = [[line["lr"] for line in lines(run) if "lr" in line] for run in runs.values()]
    assert rates[0] == rates[1]
    assert len(rates[0]) == 115


def test_a_changed_value_of_the_optimizer_is_used(folder: Path) -> None:
    run = train_here("schedule=constant")
    assert main(["resume", str(run), "epochs=3", "optimizer.weight_decay=0.5", "optimizer.lr=0.007"]) == 0
    saved = torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["optimizer_states"][0]["param_groups"]
    assert saved[0]["weight_decay"] == 0.5
    assert saved[0]["lr"] == 0.007


@pytest.mark.sampled
@pytest.mark.parametrize("override", ["optimizer=sgd", "optimzer.lr=1", "epochs=abc", "+new=1", "seed=1,2"])
def test_an_override_that_is_not_a_value_is_refused(folder: Path, capfd, override: str) -> None:
    run = train_here()
    assert main(["resume", str(run), override]) == 2
    assert capfd.readouterr().err.startswith("error: ")


@pytest.mark.sampled
@pytest.mark.parametrize(("override", "code"), [("model.hidden=[9]", 6), ("epochs=1", 2), ("device.count=3", 2)])
def test_a_value_that_the_run_cannot_go_on_with_leaves_it_as_it_was(
    folder: Path, capfd, override: str, code: int
) -> None:
    run = train_here()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["resume", str(run), override]) == code
    assert capfd.readouterr().err.startswith("error: ")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_damaged_newest_checkpoint_is_passed_over_and_named(folder: Path, capfd) -> None:
    run = train_here()
    newest = max(run.glob("checkpoints/*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    assert main(["resume", str(run), "epochs=3"]) == 0
    out = capfd.readouterr().out
    assert f"{newest.name} is damaged" in out
    assert "going on from step 8" in out


def test_no_good_checkpoint_is_exit_code_6(folder: Path, capfd) -> None:
    run = train_here()
    for path in run.glob("checkpoints/*.ckpt"):
        path.write_bytes(b"nothing")
    for command in (
        ["resume", str(run), "epochs=3"],
        ["eval", str(run), "--ckpt", "last"],
        ["eval", str(run), "--ckpt", "x.ckpt"],
    ):
        assert main(command) == 6
        assert "error: " in capfd.readouterr().err


@pytest.mark.parametrize(("left", "code"), [(1, 0), (2, 6)])
def test_a_run_that_died_in_its_first_save_starts_over_and_says_so(
    folder: Path, capfd, lines, left: int, code: int
) -> None:
    run = train_here()
    RunDir(run).end("failed", 1)
    for manifest in run.glob("checkpoints/*.json"):
        manifest.unlink()
    for path in sorted(run.glob("checkpoints/*.ckpt"))[left:]:
        path.unlink()
    assert main(["resume", str(run)]) == code  # more than one file: manifests were lost, not never written
    out, error = capfd.readouterr()
    assert ("no checkpoint yet: starting from the first step" in out) == (code == 0)
    assert ("has no checkpoint to go on from" in error) == (code == 6)
    assert [line["step"] for line in lines(run) if "train/loss" in line] == list(range(1, 17))


def test_a_run_without_checkpoints_cannot_be_resumed(folder: Path, capfd) -> None:
    run = train_here("checkpoint=none")
    assert main(["resume", str(run), "epochs=3"]) == 6
    assert "no checkpoint" in capfd.readouterr().err


def test_a_run_that_is_running_is_left_alone(folder: Path, capfd) -> None:
    run = train_here()
    with locked(run):
        assert main(["resume", str(run), "epochs=3"]) == 8
    assert "is running in process" in capfd.readouterr().err


def test_a_run_on_files_goes_on_from_another_folder(folder: Path, monkeypatch) -> None:
    (folder / "flowers.csv").write_text("a,b,label\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(60)))
    run = train_here("data=table", "data.root=flowers.csv", "data.target=label", "batch.size=8").relative_to(folder)
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    assert main(["eval", f"../{run}"]) == 0
    assert main(["resume", f"../{run}", "epochs=3"]) == 0


def test_a_checkpoint_of_another_network_is_refused(folder: Path, capfd) -> None:
    run = train_here()
    assert main(["eval", str(run), "model.hidden=[9]"]) == 6
    assert "another network" in capfd.readouterr().err


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_eval_measures_a_split(folder: Path, capfd, split: str) -> None:
    run = train_here()
    assert main(["eval", str(run), "--split", split, "--ckpt", "last", "--json"]) == 0
    out = capfd.readouterr().out
    assert f'"{split}/acc": ' in out


def test_eval_of_the_best_gives_the_best_value(folder: Path, capfd) -> None:
    run = fastrun.train(["model=mlp", "epochs=3"], quiet=True)
    assert main(["eval", str(run.directory), "--split", "val"]) == 0
    assert f"{run.summary['best']['value']:.4f}" in capfd.readouterr().out


def test_eval_measures_the_whole_split_of_a_run_that_had_several_processes(folder: Path, capfd) -> None:
    run = train_here()
    told = []
    for count in (1, 2):
        assert main(["eval", str(run), f"device.count={count}", "--split", "val", "--json"]) == 0
        told.append(capfd.readouterr().out)
    assert told[0] == told[1]
