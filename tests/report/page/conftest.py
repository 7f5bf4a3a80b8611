"""Directories of runs, sweeps and studies, as training leaves them, made by hand in milliseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from fastrun.storage.format import FORMAT
from fastrun.storage.job import JobRecord, sha256_of
from fastrun.sweep.ledger import Ledger

_VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """A parsed page, whose tags must be balanced.

    Attributes:
        tags: each tag with its attributes.
        text: the words, without those of scripts and styles.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def parse() -> Callable[[Path], Page]:
    return lambda path: Page(path.read_text())


def metrics(steps: int, per_epoch: int = 10, final: float = 0.9) -> Iterable[dict[str, Any]]:
    for step in range(1, steps + 1):
        at = {"step": step, "epoch": step / per_epoch, "train_seconds": step * 0.01}
        yield at | {"train/loss": 2.3 * math.exp(-3 * step / steps) + 0.01 * (step % 7), "lr": 0.001 * step}
        if step % per_epoch == 0:
            yield at | {"val/loss": 2 * math.exp(-3 * step / steps), "val/acc": final * step / steps}


def summary(steps: int, final: float = 0.9, **more: Any) -> dict[str, Any]:
    return {
        "status": "finished",
        "recipe": "mlp_fast",
        "steps": steps,
        "epochs": steps / 10,
        "stopped": None,
        "best": {"metric": "val/acc", "value": final, "step": steps, "checkpoint": None},
        "target": {
            "metric": "val/acc",
            "value": 0.8,
            "reached": final >= 0.8,
            "steps": steps,
            "train_seconds": 0.01 * steps,
            "wall_seconds": 3.5,
        },
        "clock": {
            "startup": 3.0,
            "compile": 0.0,
            "data_wait": 0.1,
            "train": 0.01 * steps,
            "validate": 0.2,
            "checkpoint": 0.05,
            "total": 3.4 + 0.01 * steps,
        },
        "throughput": {"samples_per_second": 47121.6, "cpu_share": 0.999},
        "memory": {"process": 300 << 20, "device": 1 << 30},
        "heuristics": {
            "pipeline": {"requested": "auto", "used": "resident", "why": "the data fits the device"},
            "norm": {"requested": "batch", "used": "batch"},
            "clip": {"requested": "none", "used": "none"},
        },
        "tuning": {"by": "measured", "rows": [{"setting": "threads=2", "ms": 1.25, "verdict": "slower"}]},
        "hardware": {"device": "cpu", "name": "a CPU", "cores": 2},
        "versions": {"python": "3.11", "torch": "2.14.1"},
    } | more


@pytest.fixture
def make_run() -> Callable[..., Path]:
    """Write the files of a run: by keyword, what differs from one that finished."""

    def make(
        folder: Path,
        *,
        steps: int = 60,
        final: float = 0.9,
        status: str = "finished",
        overrides: Iterable[str] = ("+recipe=mlp_fast", "target.value=0.8"),
        lines: Iterable[dict[str, Any]] | None = None,
        **more: Any,
    ) -> Path:
        folder.mkdir(parents=True)
        config = {"format": FORMAT, "seed": 0, "target": {"metric": None, "value": 0.8}, "optimizer": {"lr": 0.003}}
        config |= {"choices": {"recipe": "mlp_fast", "optimizer": "adamw"}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
        (folder / "status.json").write_text(json.dumps({"status": status, "attempts": 1, "started": 1.0}))
        (folder / "data.json").write_text(json.dumps({"task": "regression", "samples": {"train": 10, "val": 5}}))
        written = metrics(steps, final=final) if lines is None else lines
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
        if status == "finished":
            (folder / "summary.json").write_text(json.dumps(summary(steps, final, **more)))
        return folder

    return make


@pytest.fixture
def make_sweep(make_run: Callable[..., Path]) -> Callable[..., Path]:
    """Write the folder of a sweep of so many runs, the later the better, and one that failed at the end."""

    def make(folder: Path, *, runs: int, steps: int = 60, fails: bool = True) -> Path:
        folder.mkdir(parents=True)
        ledger = Ledger(folder)
        ledger.path.mkdir()
        arguments = ["+recipe=mlp_fast", "optimizer=sgd,adamw", "optimizer.lr=0.1,0.01"]
        (folder / "sweep.json").write_text(json.dumps({"format": FORMAT, "arguments": arguments, "jobs": []}))
        for number in range(runs + fails):
            own = [f"optimizer={'sgd' if number % 2 else 'adamw'}", f"optimizer.lr={0.001 * 2 ** (number % 10):g}"]
            failed = number == runs
            record = JobRecord(number, own, ["+recipe=mlp_fast", *own], {}, sha256_of({}), f"{number}-{number}")
            record.state, record.error = ("failed", "<b>out of luck</b>") if failed else ("finished", None)
            ledger.write(record)
            if not failed:
                final = 0.5 + 0.4 * (number + 1) / runs
                make_run(folder / record.folder, steps=steps, final=final, overrides=record.overrides)
        return folder

    return make


def verdict(
    factor: str, kind: str, verdict: str, ratio: float | None, low: float | None, high: float | None, **more: Any
):
    arms = {"without": (f"full - {factor}", "full"), "added": (f"plain + {factor}", "plain")}
    arm, baseline = arms.get(kind, ("full again", "full"))
    return {
        "factor": factor,
        "kind": kind,
        "arm": arm,
        "baseline": baseline,
        "verdict": verdict,
        "ratio": ratio,
        "low": low,
        "high": high,
        "p": 0.004,
        "p_adjusted": 0.023,
        "steps_ratio": ratio and ratio / 0.91,
        "seconds_ratio": 0.91,
        "reached": 1.0,
        "reached_baseline": 1.0,
        "probability_faster": 0.9,
        "blocks": 9,
        "more_blocks": None,
        "test_metric": 0.91,
        "test_metric_baseline": 0.92,
        "test_metric_name": "test/acc",
        "test_difference_low": -0.014,
        "test_difference_high": 0.002,
    } | more


@pytest.fixture
def make_verdict() -> Callable[..., dict[str, Any]]:
    return verdict


VERDICTS = [
    verdict("norm", "without", "faster", 1.9, 1.7, 2.2),
    verdict("clip", "without", "slower", 0.91, 0.87, 0.95, test_difference_low=0.004, test_difference_high=0.016),
    verdict("ema", "without", "no material difference", 1.002, 0.99, 1.012, p=0.8, p_adjusted=1.0),
    verdict("augment", "without", "undecided", 1.12, 0.96, 1.33, p=0.07, p_adjusted=0.21),
    verdict("rank", "without", "undecided", 1.12, 0.96, 1.33, p=0.07, p_adjusted=0.21, more_blocks=6),
    verdict("init", "without", "undecided", None, None, None, reached=0.4, p=0.12, p_adjusted=0.36),
    verdict("norm", "added", "faster", 3.4, 2.6, None, reached_baseline=0.8),
    verdict("augment", "added", "faster", 1.3, 1.1, 1.5),
    verdict("", "same", "not told apart", 1.01, 0.97, 1.06, p=0.6, p_adjusted=0.6),
]


@pytest.fixture
def make_study() -> Callable[..., Path]:
    """Write the folder of a study; without its verdicts where they are None."""

    def make(folder: Path, verdicts: list[dict[str, Any]] | None = VERDICTS, **plan: Any) -> Path:
        folder.mkdir(parents=True)
        full = ["+recipe=mlp_fast"]
        factors = ("norm", "clip", "ema", "augment", "init")
        arms = {"full": full, **{f"full - {factor}": [*full, f"{factor}=none"] for factor in factors}}
        typed = {
            "study": {"blocks": None, "factors": list(factors), "tune": 0, "plain": False, "equivalence": 0.02},
            "factors": [{"name": name, "key": name, "without": f"{name}=none"} for name in factors],
            "arms": {name: {"overrides": overrides, "config": {}} for name, overrides in arms.items()},
        }
        written = {
            "format": FORMAT,
            "sha256": "ab" * 32,
            "arms": {name: [*overrides, "speed.threads=1"] for name, overrides in arms.items()},
            "contrasts": [],
            "same": {"plain + norm": "full - clip"},
            "dropped": {"full - init": "the loss is not finite"},
            "target": {"metric": "val/acc", "value": 0.95, "source": "pilot", "text": "the median of 3 pilot runs"},
            "base_steps": 100,
            "rungs": [-6, 3],
            "cap_steps": 300,
            "pace_steps": 500,
            "pilot_seeds": [10000],
            "seeds": list(range(9)),
            "rule": {"confidence": 0.95, "equivalence": 0.02, "most_misses": 0.2, "sequential": False},
            "tuned": False,
            "recipe": "mlp_fast",
            "overrides": ["+recipe=mlp_fast", "target.value=0.95"],
            "machine": {"cpu": "a CPU", "cores": 2},
            "created": 1795852463.3,
        } | plan
        (folder / "study.json").write_text(json.dumps(typed))
        (folder / "plan.json").write_text(json.dumps(written))
        if verdicts is not None:
            (folder / "verdicts.json").write_text(json.dumps(verdicts))
        return folder

    return make
