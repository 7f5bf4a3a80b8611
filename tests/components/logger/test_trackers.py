"""Each tracker holds what metrics.jsonl holds, found with its own reader."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastrun
from fastrun.cli.main import main
from fastrun.errors import ConfigError

pytestmark = pytest.mark.slow

QUICK = ["model=mlp", "model.hidden=[8]", "steps=3", "val_every=2", "clip=norm", "amp=off"]
Found = dict[tuple[int, str], float]  # by step and name


def tensorboard(run: Path) -> tuple[Found, dict[str, str]]:
    """Read event files with TensorBoard's accumulator."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    found = {(one.step, tag): one.value for tag in events.Tags()["scalars"] for one in events.Scalars(tag)}
    plugin = events.PluginTagToContent("hparams")
    start = HParamsPluginData.FromString(plugin["_hparams_/session_start_info"]).session_start_info
    return found, {key: value.string_value or str(value.number_value) for key, value in start.hparams.items()}


def mlflow(run: Path) -> tuple[Found, dict[str, str]]:
    """Read the one run of the local folder with MLflow's client."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient((run / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("fastrun")
    (one,) = client.search_runs([experiment.experiment_id])
    assert one.info.status == "FINISHED"
    assert one.info.run_name == f"{run.parent.name}/{run.name}"
    histories = [client.get_metric_history(one.info.run_id, key) for key in one.data.metrics]
    return {(m.step, m.key): m.value for history in histories for m in history}, one.data.params


def wandb(run: Path) -> tuple[Found, dict[str, str]]:
    """Read all offline files of one id, once wandb's own process has written them."""
    import wandb

    wandb.teardown()
    files = sorted(run.glob("wandb/offline-run-*/run-*.wandb"))
    assert len({path.name for path in files}) == 1
    found, config = {}, {}
    for record in (record for path in files for record in records(path.read_bytes())):
        config |= {item.key: json.loads(item.value_json) for item in record.config.update}
        values = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        if step := values.pop("trainer/global_step", None):
            found |= {(step, key): value for key, value in values.items() if not key.startswith("_")}
    return found, {key: str(value) for key, value in config.items()}


def records(data: bytes) -> Iterator[Any]:
    """Yield what a .wandb file holds: a log of records in blocks of 32 KiB, as LevelDB writes it."""
    from wandb.proto.wandb_internal_pb2 import Record

    place, joined = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        joined += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(joined)
            joined = b""


TRACKERS = {"tensorboard": tensorboard, "mlflow": mlflow, "wandb": wandb}


@pytest.fixture(params=TRACKERS)
def tracker(request: pytest.FixtureRequest) -> str:
    """The name of an option whose package is here."""
    pytest.importorskip(request.param)
    return request.param


def expected(lines: list[dict[str, Any]]) -> Found:
    return {(line["step"], key): value for line in lines for key, value in line.items() if key != "step"}


def assert_same(found: Found, lines: list[dict[str, Any]]) -> None:
    """Check that a tracker has the lines, and nothing beside them but the summary."""
    own = {place: value for place, value in found.items() if not place[1].startswith("summary/")}
    assert own == pytest.approx(expected(lines), rel=1e-6)


def test_a_tracker_holds_the_lines_the_config_and_the_summary(folder: Path, lines, tracker: str) -> None:
    run = fastrun.train([*QUICK, f"logger={tracker}", "name=watched"], quiet=True)
    found, config = TRACKERS[tracker](run.directory)
    assert_same(found, lines(run.directory))
    assert {(1, "train/loss"), (3, "train/grad_norm"), (2, "val/acc"), (3, "lr")} <= found.keys()
    assert found[3, "summary/best/value"] == pytest.approx(run.summary["best"]["value"])
    assert found[3, "summary/clock/train"] == pytest.approx(run.summary["clock"]["train"])
    assert config["optimizer"] == "adamw"
    assert float(config["optimizer.lr"]) == run.settings.optimizer["lr"]
    assert not any(key.startswith("logger.") for key in config)
    assert run.summary["heuristics"]["logger"]["used"] == tracker


def test_a_run_that_resumes_is_still_one_run(folder: Path, lines, tracker: str) -> None:
    run = fastrun.train([*QUICK, f"logger={tracker}"], quiet=True).directory
    identity = (run / "logger.json").read_text() if tracker != "tensorboard" else None
    assert main(["resume", str(run), "steps=5"]) == 0
    found, config = TRACKERS[tracker](run)
    assert_same(found, lines(run))
    assert {step for step, key in found if key == "train/loss"} == {1, 2, 3, 4, 5}
    assert float(config["steps"]) == (5 if tracker == "wandb" else 3)  # the others change nothing
    if identity is not None:
        assert (run / "logger.json").read_text() == identity


def test_what_mlflow_cannot_change_becomes_a_tag(folder: Path) -> None:
    client = pytest.importorskip("mlflow").tracking.MlflowClient
    run = fastrun.train([*QUICK, "logger=mlflow"], quiet=True).directory
    assert main(["resume", str(run), "steps=5"]) == 0
    (one,) = client((run / "mlruns").as_uri()).search_runs(["0", *(path.name for path in run.glob("mlruns/[1-9]*"))])
    assert one.data.tags["resumed.steps"] == "5"
    assert not any(key.startswith("resumed.optimizer") for key in one.data.tags)


def test_event_files_of_a_run_that_goes_on_hide_what_came_after_its_checkpoint(tmp_path: Path, monkeypatch) -> None:
    names = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    from fastrun.components.logger.tensorboard import TensorBoard

    monkeypatch.setattr(names, "_global_uid", names.AtomicCounter(0))  # 10 would be read before 9

    for done, value in ((0, 1.0), (3, 2.0)):
        logger = TensorBoard(tmp_path, done)
        logger.log_hyperparams({"seed": 0})
        for step in range(done + 1, 6):
            logger.log_metrics({"train/loss": value}, step)
        logger.finalize("success")
    found, _ = tensorboard(tmp_path)
    assert found == {(step, "train/loss"): 1.0 if step <= 3 else 2.0 for step in range(1, 6)}


def test_a_package_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, tracker: str) -> None:
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(ConfigError, match=f"logger={tracker} needs the package {tracker}") as caught:
        fastrun.train([*QUICK, f"logger={tracker}"], quiet=True)
    assert caught.value.hint == "pip install 'fastrun[track]'"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["logger=wandb", "logger.mode=onlin"], "logger.mode=onlin is not known"),
        (["logger=wandb", "logger.tags=a"], "logger.tags=a has the wrong type"),
        (["logger=mlflow", "+logger.uri=x"], "logger.uri is not an argument"),
        (["logger=mlflow", "logger.tracking_uri=nowhere://x"], "logger=mlflow does not start"),
        (["logger._target_=torch.nn.ReLU"], "is not a Lightning logger"),
    ],
)
def test_what_a_tracker_cannot_be_given_is_refused(folder: Path, overrides: list[str], message: str) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    with pytest.raises(ConfigError) as caught:
        fastrun.train([*QUICK, *overrides], quiet=True)
    assert message in caught.value.message
    assert caught.value.hint


QUIET = """
import os, socket, sys
def refuse(*arguments, **_):
    print("looked up", arguments[0], flush=True)
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = refuse
import fastrun
for name in sys.argv[1:]:
    fastrun.train([*{quick!r}, f"logger={{name}}"], quiet=True)
"""


def test_nothing_is_looked_up_on_the_network(folder: Path) -> None:
    present = [name for name in ("mlflow", "wandb") if pytest.importorskip(name)]
    tested = ("PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING", "CI")  # they keep them quiet
    environ = {key: value for key, value in os.environ.items() if key not in tested}
    environ |= {"PYTHONPATH": str(Path(fastrun.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", QUIET.format(quick=QUICK), *present]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "looked up" not in done.stdout
