"""That a run takes what was measured, that it leaves no trace, and what happens where measuring is not possible."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import fastrun
from fastrun.cli.main import main
from fastrun.tune.auto import answers, choose
from fastrun.tune.auto.answers import Answer

SMALL = ["model=mlp", "model.hidden=[16]", "data=synthetic", "data.samples=400", "data.shape=[8]", "batch.size=32"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "auto"


@pytest.fixture
def long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of 100 steps be long enough for a trial of half a second."""
    monkeypatch.setattr(choose, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr(choose, "_SHARE", 100.0)


def config_of(directory: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((directory / "config.yaml").read_text()))


def config(run: Any) -> dict[str, Any]:
    return config_of(run.directory)


def weights(run: Any) -> dict[str, torch.Tensor]:
    return dict(run.load_model("last").state_dict())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_short_run_takes_the_rule_and_measures_nothing(folder: Path) -> None:
    run = fastrun.train([*SMALL, "steps=10"], quiet=True)
    speed = config(run)["speed"]
    assert speed["threads"] == 1
    assert config(run)["amp"]["kind"] == "off"
    assert speed["found"] == {"by": "rule", "rows": []}


@pytest.mark.usefixtures("long_runs")
def test_a_trial_changes_no_bit(folder: Path) -> None:
    tried = fastrun.train([*SMALL, "steps=120", "speed.trial_seconds=0.5"], quiet=True)
    found = config(tried)
    assert found["speed"]["found"]["by"] == "measured"
    fused = str(found["speed"]["fused"]).lower()
    by_hand = [f"speed.threads={found['speed']['threads']}", f"amp={found['amp']['kind']}", f"speed.fused={fused}"]
    given = fastrun.train([*SMALL, "steps=120", "speed.trial_seconds=0", *by_hand], quiet=True)
    assert same(weights(tried), weights(given))


@pytest.mark.usefixtures("long_runs")
def test_a_later_run_takes_what_an_earlier_one_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fastrun.train([*SMALL, "steps=120", "speed.trial_seconds=0.5"], quiet=True)
    monkeypatch.setattr(choose._Run, "answer", None)  # measuring again would fail
    later = fastrun.train([*SMALL, "steps=150", "optimizer=sgd", "optimizer.lr=0.01"], quiet=True)
    assert config(later)["speed"]["found"]["by"] == "known"
    for key in ("threads", "fused", "channels_last"):
        assert config(later)["speed"][key] == config(first)["speed"][key]


@pytest.mark.usefixtures("long_runs")
def test_a_long_run_measures_though_a_short_one_had_the_rule(folder: Path) -> None:
    assert config(fastrun.train([*SMALL, "steps=20"], quiet=True))["speed"]["found"]["by"] == "rule"
    longer = fastrun.train([*SMALL, "steps=120", "speed.trial_seconds=0.2"], quiet=True)
    assert config(longer)["speed"]["found"]["by"] == "measured"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 0}', b'{"format": 1, "answer": {"by": "measured"}}']
)
def test_a_damaged_answer_is_none(folder: Path, cache: Path, content: bytes) -> None:
    fastrun.train([*SMALL, "steps=20"], quiet=True)
    (path,) = cache.glob("*.json")
    path.write_bytes(content)
    run = fastrun.train([*SMALL, "steps=20"], quiet=True)
    assert config(run)["speed"]["found"]["by"] == "rule"
    assert json.loads(path.read_text())["answer"]["by"] == "rule"


def test_a_cache_that_cannot_be_written_stops_no_run(folder: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    assert fastrun.train([*SMALL, "steps=20"], quiet=True).summary["status"] == "finished"


@pytest.mark.usefixtures("long_runs")
def test_a_network_that_fails_in_the_trial_runs_by_the_rule(folder: Path) -> None:
    (folder / "moody.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    calls = 0\n"
        "    def __init__(self, in_shape, num_classes):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(in_shape[0], num_classes)\n"
        "    def forward(self, x):\n"
        "        Net.calls += self.training\n"
        "        if self.training and Net.calls == 2:\n"
        "            raise RuntimeError('not now')\n"
        "        return self.layer(x)\n"
    )
    without = [f"~model.{key}" for key in ("hidden", "activation", "dropout")]
    run = fastrun.train(["model=mlp", "model._target_=moody.Net", *without, *SMALL[2:], "steps=120"], quiet=True)
    assert run.summary["status"] == "finished"
    assert config(run)["speed"]["found"]["by"] == "rule"


def test_what_is_given_by_hand_is_not_tried(folder: Path) -> None:
    run = fastrun.train([*SMALL, "steps=10", "amp=bf16", "speed.threads=1", "speed.fused=false"], quiet=True)
    assert config(run)["amp"]["kind"] == "bf16"
    assert config(run)["speed"]["fused"] is False


def test_the_summary_says_what_was_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"setting": "amp=off", "ms": 1.0, "verdict": "chosen"}]
    known = Answer({"speed.threads": 1, "amp.kind": "off"}, "measured", 0.001, rows, 0.99)
    monkeypatch.setattr(answers, "recall", lambda asked: known)
    summary = fastrun.train([*SMALL, "steps=20"], quiet=True).summary
    assert summary["tuning"] == {"by": "known", "rows": rows, "step_ms": 1.0}
    assert summary["heuristics"]["amp"]["used"] == "32-true"
    assert "measured" in summary["heuristics"]["amp"]["why"]
    assert summary["hardware"]["threads"] == 1


@pytest.mark.parametrize("extra", [["optimizer.lr=0.5"], ["augment=none"], ["seed=4"], ["optimizer=schedulefree"]])
def test_runs_of_a_sweep_share_an_answer(folder: Path, cache: Path, extra: list[str]) -> None:
    for overrides in ([], extra):
        fastrun.train([*SMALL, "steps=5", *overrides], quiet=True)
    assert len(list(cache.glob("*.json"))) == 1


@pytest.mark.parametrize("extra", [["batch.size=16"], ["model.hidden=[8]"], ["speed.fused=false"], ["amp=off"]])
def test_another_step_has_another_answer(folder: Path, cache: Path, extra: list[str]) -> None:
    for overrides in ([], extra):
        fastrun.train([*SMALL, "steps=5", *overrides], quiet=True)
    assert len(list(cache.glob("*.json"))) == 2


@pytest.mark.usefixtures("long_runs")
def test_a_longer_run_measures_what_an_earlier_one_had_no_time_for(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*SMALL, "steps=120", "speed.trial_seconds=0.5"]
    fastrun.train(overrides, quiet=True)
    (path,) = cache.glob("*.json")
    content = json.loads(path.read_text())
    for budget, by in ((0.4, "known"), (0.1, "measured")):
        content["answer"] |= {"is_whole": False, "budget": budget, "by": "measured"}
        path.write_text(json.dumps(content))
        assert config(fastrun.train(overrides, quiet=True))["speed"]["found"]["by"] == by


@pytest.mark.usefixtures("long_runs")
def test_what_was_measured_on_a_busy_machine_holds_for_an_hour(folder: Path, cache: Path) -> None:
    overrides = [*SMALL, "steps=120", "speed.trial_seconds=0.5"]
    fastrun.train(overrides, quiet=True)
    (path,) = cache.glob("*.json")
    content = json.loads(path.read_text())
    content["answer"] |= {"cpu_share": 0.4, "is_whole": True}
    for age, by in ((60, "known"), (4000, "measured")):
        path.write_text(json.dumps(content))
        os.utime(path, (time.time() - age, time.time() - age))
        assert config(fastrun.train(overrides, quiet=True))["speed"]["found"]["by"] == by


@pytest.mark.parametrize("found", [{"rows": [1]}, {"rows": 3}, {"step_ms": "fast"}, {"rows": [{"setting": "amp=off"}]}])
def test_an_outcome_that_a_trial_did_not_write_is_refused(folder: Path, found: dict[str, Any], capsys: Any) -> None:
    run = fastrun.train([*SMALL, "steps=4"], quiet=True).directory
    content = config_of(run)
    content["speed"]["found"] = found
    (run / "config.yaml").write_text(yaml.safe_dump(content))
    assert main(["resume", str(run), "steps=8"]) == 2
    assert "speed.found is not what fastrun writes there" in capsys.readouterr().err


def test_a_process_that_never_lets_go_of_the_lock_is_not_waited_for(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fastrun.train([*SMALL, "steps=20"], quiet=True)
    (path,) = cache.glob("*.json")
    path.unlink()
    monkeypatch.setattr(answers, "_LOCK_SECONDS", 0.2)
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert fastrun.train([*SMALL, "steps=20"], quiet=True).summary["status"] == "finished"
