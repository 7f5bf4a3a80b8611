"""A study without training: its jobs end at once, with what a formula says of their config."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fastrun.config.settings import from_dict
from fastrun.storage.format import FORMAT
from fastrun.storage.run_dir import RunDir
from fastrun.study.ablate import begin, define, go_on
from fastrun.study.conclusion import Conclusion
from fastrun.study.settings import split_study

BASE_STEPS = 320
Config = dict[str, Any]


class Killed(BaseException):
    """Ends the process of a study, as SIGKILL does, as far as its files are concerned."""


@dataclass
class Physics:
    """How well and how fast a config trains.

    Attributes:
        pace: returns how many times as fast as another one a config learns, by steps.
        cost: returns the seconds of a step.
        fate: returns the error with which a config fails, ``diverged``, or nothing.
        noise: the deviation of the logarithm of the pace between seeds.
        metric: returns the metric after an effort.
        name: its name.
        higher_is_better: whether larger values of it are better.
    """

    pace: Callable[[Config], float] = lambda config: 1.0
    cost: Callable[[Config], float] = lambda config: 1e-3
    fate: Callable[[Config], str] = lambda config: ""
    noise: float = 0.08
    metric: Callable[[float], float] = lambda effort: 1 - 1 / (1 + effort / 40)
    name: str = "val/acc"
    higher_is_better: bool = True


@dataclass
class FakeClient:
    """Stands for the process that forks jobs."""

    physics: Physics
    dies_after: int = 1 << 30
    started: list[str] = field(default_factory=list)
    most_at_a_time: int = 0
    ready: bool = True
    messages: deque[dict[str, Any]] = field(default_factory=deque)

    def room(self, jobs: int | None) -> int:
        return jobs or 1

    def start(self, job: int, folder: Path, config: Config, overrides: list[str], grace: float, **share: Any) -> None:
        if len(self.started) >= self.dies_after:
            raise Killed
        self.started.append(folder.name.partition("-")[2])
        self.messages += [{"started": job, "pid": 1 << 22}]
        code = self._train(RunDir(folder), config, overrides)
        self.messages += [{"ended": job, "code": code}]
        self.most_at_a_time = max(self.most_at_a_time, sum("ended" in message for message in self.messages))

    def _train(self, run: RunDir, config: Config, overrides: list[str]) -> int:
        run.path.mkdir(parents=True, exist_ok=True)
        fate = self.physics.fate(config)
        if config["amp"]["kind"] == "auto" or config["speed"]["threads"] is None:  # only a first run says what it found
            found = config | {"amp": {"kind": "off"}, "pipeline": config["pipeline"] | {"kind": "resident"}}
            if config["pipeline"]["kind"] != "auto":
                found["pipeline"] = config["pipeline"]
            found["speed"] = config["speed"] | {"threads": 1}
            content = asdict(from_dict(found)) | {"format": FORMAT}
            (run.path / "config.yaml").write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
        if fate and fate != "diverged":
            _append(run.path / "output.log", f"error: {fate}\n")
            return 1
        if fate:
            _append(run.path / "output.log", "error: the loss is not finite at step 3\n")
            return 4
        self._write(run, config)
        return 0

    def _write(self, run: RunDir, config: Config) -> None:
        steps = config["steps"] or BASE_STEPS
        luck = math.exp(Random(f"{config['seed']}").gauss(0, self.physics.noise))
        value = self.physics.metric(self.physics.pace(config) * luck * steps)
        cost = self.physics.cost(config) * math.exp(Random(f"{run.path.name}").gauss(0, 0.01))
        lines = [
            {"step": step, "train_seconds": cost * step, "train/loss": 1 / self.physics.pace(config) / step}
            for step in range(1, steps + 1)
        ]
        early = self.physics.metric(self.physics.pace(config) * luck * steps / 2)
        lines.append({"step": steps, "train_seconds": cost * steps, "val/loss": 1 - early, self.physics.name: early})
        lines.append({"step": steps, "train_seconds": cost * steps, "val/loss": 1 - value, self.physics.name: value})
        run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
        best = {"metric": self.physics.name, "value": value, "step": steps}
        if self.physics.name != "val/acc":
            best["higher_is_better"] = self.physics.higher_is_better
        clock = {"train": cost * steps, "data_wait": 0.0, "validate": 0.0}
        summary = {"steps": steps, "epochs": steps / 16, "clock": clock, "best": best}
        (run.path / "summary.json").write_text(json.dumps(summary))
        (run.path / "status.json").write_text(json.dumps({"status": "finished", "exit_code": 0}))

    def stop(self, job: int, number: int) -> None:
        """Every job has ended already."""

    def receive(self, seconds: float) -> Iterator[dict[str, Any]]:
        messages, self.messages = self.messages, deque()
        yield from messages

    def close(self) -> None:
        """There is no process."""


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@dataclass
class Lab:
    """Makes studies in the empty folder of a test.

    Attributes:
        clients: what ran the jobs of each attempt.
    """

    clients: list[FakeClient] = field(default_factory=list)

    def study(self, *arguments: str, physics: Physics | None = None, dies_after: int = 1 << 30) -> Conclusion:
        config, overrides = split_study(["+recipe=mlp_fast", *arguments])
        self.clients.append(FakeClient(physics or Physics(), dies_after))
        return begin(define(config, overrides), self.clients[-1], quiet=True)  # type: ignore[arg-type]

    def go_on(
        self, *overrides: str, physics: Physics | None = None, dies_after: int = 1 << 30, with_failed: bool = False
    ) -> Conclusion:
        self.clients.append(client := FakeClient(physics or Physics(), dies_after))
        return go_on(self.folder, overrides, client, quiet=True, with_failed=with_failed)  # type: ignore[arg-type]

    @property
    def folder(self) -> Path:
        return max(Path().glob("outputs/mlp_fast/study-*"), key=lambda path: path.stat().st_mtime)

    @property
    def started(self) -> list[str]:
        return [name for client in self.clients for name in client.started]

    def plan(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "plan.json").read_text()))
