"""A run that is asked to stop does so wherever it is, says how to go on, and ends like one left alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.errors import Interrupted
from fastrun.storage.run_dir import RunDir

ROOT = Path(__file__).resolve().parents[2]
RUN = ["data=synthetic", "data.samples=128", "data.val_fraction=0.25", "data.test_fraction=0.25",
       "data.shape=[1,8,8]", "data.noise=3", "model=mlp", "model.hidden=[16]", "model.dropout=0.2", "batch.size=8",
       "epochs=2", "val_every=4", "ema=ema", "amp=off", "speed.steps_per_call=3"]  # fmt: skip
ASKING = """
import ctypes, os, signal, subprocess
from pathlib import Path
import pytorch_lightning as pl
from fastrun.components.data.synthetic import synthetic

class Ask(pl.Callback):
    def __init__(self, hook, at=0, number=15, times=1, fails=0, group=0):
        def ask(trainer, module, *_):
            if module.state.step >= at and not Path("asked").exists():
                Path("asked").touch()
                for _ in range(times):
                    if group:
                        subprocess.run(["kill", f"-{number}", "--", f"-{os.getpgrp()}"])
                    else:
                        os.kill(os.getpid(), number)
                if fails:
                    raise RuntimeError("a worker was killed")
        setattr(self, hook, ask)

class Stuck(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        ask = f"while kill -TERM {os.getpid()}; do sleep 0.1; done"
        subprocess.Popen(["sh", "-c", ask], stdin=-3, stdout=-3, stderr=-3)
        mutex = ctypes.create_string_buffer(64)
        for _ in range(2):  # nobody gives it back, and no signal ends this wait
            ctypes.CDLL(None).pthread_mutex_lock(mutex)

def data(**arguments):
    if not Path("asked").exists():
        Path("asked").touch()
        os.kill(os.getpid(), signal.SIGTERM)
    return synthetic(**arguments)
"""


def asking(hook: str, at: int = 0, number: int = signal.SIGTERM, **more: int) -> str:
    told = "".join(f", {key}: {value}" for key, value in more.items())
    return f"+callbacks.ask={{_target_: asking.Ask, hook: {hook}, at: {at}, number: {int(number)}{told}}}"


def resumed(run: Path) -> Path:
    assert main(["resume", str(run)]) == 0
    return run


def outcome(run: Path, lines) -> tuple[list, dict]:
    saved = torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)
    tensors = {**saved["state_dict"], **saved["fastrun"]["evaluation_weights"]}
    return [{**line, "train_seconds": 0} for line in lines(run)], {k: v.tolist() for k, v in tensors.items()}


@pytest.fixture
def user(folder: Path) -> Path:
    (folder / "asking.py").write_text(ASKING)
    return folder


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data._target_=asking.data", "while nothing was trained"),
        (asking("on_train_start"), "while nothing was trained"),
        (asking("on_train_batch_start", 3), "stopped at step 4, all of it saved"),
        (asking("on_train_batch_end", 6), "stopped at step 7, all of it saved"),
        (asking("on_train_batch_end", 8), "stopped at step 8, all of it saved"),
        (asking("on_validation_start", 4), "stopped at step 4, all of it saved"),
        (asking("on_validation_end", 8), "stopped at step 8, all of it saved"),
        (asking("on_validation_end", 16), "stopped at step 16, all of it saved"),
        (asking("on_train_end"), "while nothing was trained"),
        (asking("on_train_batch_end", 10, fails=1), "in a step, which is lost"),
    ],
)
def test_a_run_stops_where_it_is_and_loses_nothing(user: Path, lines, override: str, said: str) -> None:
    with pytest.raises(Interrupted, match=said) as caught:
        fastrun.train([*RUN, "name=asked", override], quiet=True)
    (run,) = user.glob("outputs/asked/*")
    assert caught.value.exit_code == 143
    assert caught.value.hint == f"go on with: fastrun resume {run}"
    assert RunDir(run).status() == "interrupted"
    assert RunDir(resumed(run)).read("summary.json")["steps"] == 16
    assert outcome(run, lines) == outcome(fastrun.train([*RUN, "name=whole"], quiet=True).directory, lines)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_each_signal_has_its_exit_code_and_is_given_back(user: Path, capfd, number: int, code: int) -> None:
    before = signal.getsignal(number)
    assert main(["train", *RUN, asking("on_train_batch_end", 3, number)]) == code
    (run,) = user.glob("outputs/train/*")
    assert capfd.readouterr().err == (
        f"error: stopped at step 3, all of it saved\nhint: go on with: fastrun resume {run}\n"
    )
    assert RunDir(run).read("status.json")["exit_code"] == code
    assert signal.getsignal(number) is before


def test_what_a_signal_says_was_saved_is_there_by_then(user: Path, monkeypatch) -> None:
    said, kept, save = threading.Event(), [], torch.save

    def slow(*arguments) -> None:
        said.wait(0.3)  # for as long as nobody says so
        save(*arguments)

    def saying(*arguments) -> Interrupted:
        kept.extend(one.step for run in user.glob("outputs/train/*") for one in RunDir(run).saved_checkpoints())
        said.set()
        return Interrupted(*arguments)

    monkeypatch.setattr(torch, "save", slow)
    monkeypatch.setattr("fastrun.training.callbacks.interrupt.Interrupted", saying)
    with pytest.raises(Interrupted):
        fastrun.train([*RUN, asking("on_train_batch_end", 3)], quiet=True)
    assert kept == [3]


@pytest.mark.slow
def test_while_it_sums_up_a_run_is_interrupted_and_resuming_sums_up(user: Path, monkeypatch, lines) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "write_summary", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted, match="while nothing was trained"):
            fastrun.train([*RUN, "name=asked"], quiet=True)
    (run,) = user.glob("outputs/asked/*")
    assert not (run / "summary.json").exists()
    assert RunDir(resumed(run)).read("summary.json")["steps"] == 16
    assert outcome(run, lines) == outcome(fastrun.train([*RUN, "name=whole"], quiet=True).directory, lines)


def test_once_it_is_finished_a_run_stays_so(user: Path, monkeypatch) -> None:
    monkeypatch.setattr("fastrun.run.runner.show", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    run = fastrun.train(RUN, quiet=True).directory
    assert RunDir(run).read("status.json")["exit_code"] == 0


def test_without_checkpoints_nothing_is_promised(user: Path, capfd) -> None:
    chosen = [*RUN, "checkpoint=none"]
    assert main(["train", *chosen, asking("on_train_batch_end", 3)]) == 143
    assert capfd.readouterr().err == "error: stopped at step 3; nothing is saved with checkpoint=none\n"
    (user / "asked").unlink()
    assert main(["train", *chosen, asking("on_train_start")]) == 143
    assert capfd.readouterr().err == "error: stopped by a signal while nothing was trained\n"


@pytest.mark.slow
def test_a_second_signal_ends_a_run_at_once(user: Path, shell, lines) -> None:
    done = shell("train", *RUN, "name=asked", asking("on_train_batch_end", 6, times=2))
    assert done.returncode == 143
    assert done.stderr == ""
    (run,) = user.glob("outputs/asked/*")
    assert RunDir(run).status() == "killed"
    log = (resumed(run) / "run.log").read_text()
    assert re.search("no checkpoint yet|going on from step 4", log)  # that of step 4 may have been written by then
    assert outcome(run, lines) == outcome(fastrun.train([*RUN, "name=whole"], quiet=True).directory, lines)


@pytest.mark.slow
def test_a_second_signal_ends_a_run_that_waits_for_its_device(user: Path, shell) -> None:
    done = shell("train", *RUN, "+callbacks.stuck._target_=asking.Stuck")
    assert done.returncode == 143


@pytest.mark.slow
def test_a_signal_to_the_whole_job_leaves_the_workers_to_the_step_under_way(user: Path) -> None:
    chosen = [*RUN, "pipeline=workers", "pipeline.num_workers=2", asking("on_train_batch_start", 6, group=1)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fastrun", "train", *chosen]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, start_new_session=True, timeout=120, check=False
    )
    assert done.returncode == 143, done.stderr
    assert done.stderr.startswith("error: stopped at step 8, all of it saved")


def test_a_thread_trains_without_listening(user: Path) -> None:
    ended: list[object] = []
    thread = threading.Thread(target=lambda: ended.append(fastrun.train(RUN, quiet=True).summary["steps"]))
    thread.start()
    thread.join()
    assert ended == [16]


@pytest.mark.slow
def test_a_run_goes_on_when_nobody_reads_what_it_prints_any_more(folder: Path) -> None:
    command = [sys.executable, "-m", "fastrun", "train", *RUN, "epochs=3", "outputs=read"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")
    (run,) = folder.glob("read/train/*")
    assert RunDir(run).status() == "finished"
    assert "Traceback" not in (run / "run.log").read_text()
