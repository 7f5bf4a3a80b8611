"""What is known of a run that is watched, read off its files again and again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastrun.config.monitor import Monitor, default_monitor
from fastrun.errors import StorageError
from fastrun.report.points import Points
from fastrun.report.record import RunRecord, read_record
from fastrun.report.watch.pace import Pace
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.metrics_tail import MetricsTail
from fastrun.system.process import Process

POSITION = "step", "epoch", "train_seconds"  # the keys of a line that are no metrics
_RECENT = 20  # lines that the speed of training is measured over


@dataclass
class Measured:
    """What metrics.jsonl says so far.

    Attributes:
        step: the last step.
        epoch: the same in epochs.
        train_seconds: the seconds of training until then.
        last: the last value of each metric.
        curves: the values of each metric over steps.
        best: the best validation: its value, its step and the seconds of training until then.
        reached: the same of the first validation that reached the target.
        recent: step and seconds of training of the last lines.
    """

    step: int = 0
    epoch: float = 0.0
    train_seconds: float = 0.0
    last: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Points] = field(default_factory=dict)
    best: tuple[float, int, float] | None = None
    reached: tuple[float, int, float] | None = None
    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_RECENT))


class RunState:
    """A run that is watched.

    Attributes:
        path: its directory.
        status: its status; ``unknown`` before its first one is written.
        measured: what it measured.
        record: its record, as it was when its config or its status changed last.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path, self._now = path, now
        self.run = RunDir(path)
        self.status = "unknown"
        self.measured = Measured()
        self.pace = Pace()
        self.record: RunRecord = read_record(path)
        self.summary: dict[str, Any] = {}
        self._times: dict[str, Any] = {}
        self._lock: dict[str, Any] = {}
        self._tail = MetricsTail(self.run.metrics)
        self._restarts = 0

    @property
    def has_ended(self) -> bool:
        """Say whether the run has ended, in whatever way."""
        return self.status not in ("running", "unknown")

    def poll(self) -> None:
        """Read what has changed since the last call.

        Raises:
            StorageError: the directory has been removed.
        """
        times = self.run.read("status.json")
        self.status = self._read_status()  # before the lines, so that none is missing once it has ended
        if self.status == "unknown" and not (self.path / "config.yaml").exists():
            raise StorageError(f"{self.path} was removed while it was watched", "`fastrun runs` lists those there are")
        if times != self._times or self.has_ended:
            self.record, self.summary = read_record(self.path), self.run.read("summary.json")
        self._times = times
        lines = self._tail.new_lines()
        if self._tail.restarts != self._restarts:
            self._restarts, self.measured = self._tail.restarts, Measured()
        for line in lines:
            self._add(line)
        self.pace.add(self._now(), self.measured.step)

    def _read_status(self) -> str:
        """Return the status: ``running``, too, where a process that resumes the run has its lock and begins."""
        self._lock = self.run.read("lock")
        holder = Process.of(self._lock)
        if holder is not None and not holder.is_gone():
            return "running"
        return self.run.status()  # after the lock, which is released once the status is that of the end

    def _add(self, line: dict[str, Any]) -> None:
        measured = self.measured
        step, seconds = line["step"], _number(line.get("train_seconds"), measured.train_seconds)
        measured.step, measured.train_seconds = step, seconds
        measured.epoch = _number(line.get("epoch"), measured.epoch)
        for name, value in line.items():
            if name not in POSITION and isinstance(value, (int, float)):
                measured.last[name] = value
                measured.curves.setdefault(name, Points()).add(step, value)
        measured.recent.append((step, seconds))
        value = line.get(self.monitor.name)
        if isinstance(value, (int, float)):
            self._judge(value, step, seconds)

    def _judge(self, value: float, step: int, seconds: float) -> None:
        """Note a validation if it is the best so far, or the first that reaches the target."""
        measured, target = self.measured, self.target
        if measured.best is None or self.monitor.is_better(value, measured.best[0]):
            measured.best = value, step, seconds
        if target is not None and measured.reached is None and self.monitor.reaches(value, target):
            measured.reached = value, step, seconds

    @property
    def monitor(self) -> Monitor:
        """Return the metric that decides on the best validation."""
        chosen = self.record.config.get("target.metric")
        return default_monitor(chosen if isinstance(chosen, str) else None, self.measured.last, self.record.directions)

    @property
    def target(self) -> float | None:
        """Return the value that the run is to reach."""
        return self.record.target

    @property
    def attempts(self) -> int:
        """Return how often the run was started."""
        attempts = self._times.get("attempts")
        return attempts if isinstance(attempts, int) else 1

    @property
    def total_steps(self) -> int | None:
        """Return the steps of the whole run; None before that is known, or where a budget of seconds decides."""
        config = self.record.config
        if config.get("early_stopping.kind") == "budget":
            steps = config.get("early_stopping.steps")
            return steps if isinstance(steps, int) else None
        steps, epochs = config.get("steps"), config.get("epochs")
        if isinstance(steps, int):
            return steps
        if not self.measured.epoch or not isinstance(epochs, (int, float)):
            return None
        return round(epochs * self.measured.step / self.measured.epoch)

    @property
    def progress(self) -> float:
        """Return the share of the run that is done, from 0 to 1."""
        total, config = self.total_steps, self.record.config
        if self.status == "finished":
            return 1.0
        seconds = config.get("early_stopping.seconds") if config.get("early_stopping.kind") == "budget" else None
        if total is None and isinstance(seconds, (int, float)):
            return min(1.0, self.measured.train_seconds / seconds)
        return min(1.0, self.measured.step / total) if total else 0.0

    @property
    def train_steps_per_second(self) -> float | None:
        """Return the steps a second of training, of the last lines."""
        recent = self.measured.recent
        if not recent:
            return None
        (first, begin), (last, end) = recent[0], recent[-1]
        if last <= first or end <= begin:
            first, begin = 0, 0.0
        return (last - first) / (end - begin) if end > begin else None

    @property
    def samples_per_second(self) -> float | None:
        """Return the samples a second of training: of the whole run if it has finished, else of the last lines."""
        if self.record.status == "finished" and self.record.samples_per_second is not None:
            return self.record.samples_per_second
        size, rate = self.record.config.get("batch.size"), self.train_steps_per_second
        return size * rate if isinstance(size, int) and rate is not None else None

    @property
    def wall_seconds(self) -> float | None:
        """Return the seconds since the run, or its newest attempt, began; of all attempts once it has finished."""
        updated = _number(self._times.get("updated"), 0.0)  # written when an attempt begins, and when it ends
        began = max(updated, _number(self._lock.get("since"), 0.0))
        if self.status == "running" and began:
            return max(0.0, self._now() - began)
        return self.record.wall_seconds

    @property
    def seconds_left(self) -> float | None:
        """Return about how long the run will take; None where that is not known."""
        config, total = self.record.config, self.total_steps
        if self.has_ended or not self.measured.step:
            return None
        if total is None:
            seconds = config.get("early_stopping.seconds")
            return max(0.0, seconds - self.measured.train_seconds) if isinstance(seconds, (int, float)) else None
        rate = self.pace.steps_per_second() or self.train_steps_per_second
        return (total - self.measured.step) / rate if rate else None


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
