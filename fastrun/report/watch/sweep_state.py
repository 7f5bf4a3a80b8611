"""What is known of a sweep that is watched, read off its ledger and the files of its jobs again and again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastrun.config.monitor import default_monitor
from fastrun.errors import StorageError
from fastrun.report.location import is_study
from fastrun.report.study_state import Label, StudyState, label_of, read_state
from fastrun.storage.job import JobRecord
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import Ledger, is_sweep
from fastrun.sweep.metrics_tail import MetricsTail
from fastrun.system.process import Process

ACTIVE = "waiting", "running"


class SweepState:
    """A sweep that is watched.

    Attributes:
        path: the folder that has its ledger.
        folder: the same, or that of the study that the sweep is a part of.
        jobs: the records of its jobs, by number.
        total: the number of jobs that are known.
        is_running: whether a process runs it.
        study: the state of the study that the sweep is a part of, or None.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path, self._now = path, now
        self.folder = path.parent if is_study(path.parent) else path
        self.ledger = Ledger.open(path)
        self.jobs: dict[int, JobRecord] = {}
        self.total = 0
        self.is_running = True
        self.study: StudyState | None = None
        self._changed: dict[int, int] = {}  # when the record of a job that was read was written
        self._tails: dict[int, MetricsTail] = {}  # of the jobs that run
        self._steps: dict[int, int] = {}  # of the jobs that have ended
        self._last: dict[int, dict[str, Any]] = {}  # the step of each of them, and its last validation

    @property
    def has_ended(self) -> bool:
        """Say whether the sweep has ended or was stopped."""
        return not self.is_running

    @property
    def states(self) -> Counter[str]:
        """Return the number of jobs in each state."""
        states = Counter(record.state for record in self.jobs.values())
        states["waiting"] += self.total - len(self.jobs)
        return +states

    @property
    def ended(self) -> int:
        """Return the number of jobs that have ended."""
        return sum(count for state, count in self.states.items() if state not in ACTIVE)

    @property
    def seconds_left(self) -> float | None:
        """Return about how long the sweep will take, by the pace since it was started; None where that is unknown."""
        if self.study is not None:  # how many runs it will take is not known
            return None
        begun = [record.ended - record.seconds for record in self.jobs.values() if record.ended is not None]
        if self.has_ended or not begun:
            return None
        return (self._now() - min(begun)) / self.ended * (self.total - self.ended)

    def poll(self) -> None:
        """Read what has changed since the last call.

        Raises:
            StorageError: the folder has been removed.
        """
        if not is_sweep(self.path):
            raise StorageError(f"{self.path} was removed while it was watched", "`fastrun runs` lists those there are")
        holder = Process.of(RunDir(self.folder).read("lock"))
        self.is_running = holder is not None and not holder.is_gone()
        self.study = read_state(self.folder) if is_study(self.folder) else None
        total = self.ledger.definition().get("total")
        numbers = self.ledger.numbers()
        self.total = max(total if isinstance(total, int) else 0, len(numbers))
        for number in numbers:
            self._read(number)
        for number in [number for number, record in self.jobs.items() if record.state == "running"]:
            self._measure(self.jobs[number])

    def _read(self, number: int) -> None:
        """Read the record of a job if it has changed."""
        try:
            changed = (self.ledger.path / f"{number:05d}.json").stat().st_mtime_ns
        except OSError:
            return
        if self._changed.get(number) == changed:
            return
        record = self.ledger.record(number)
        if record is not None:
            self.jobs[number], self._changed[number] = record, changed
            self._steps.pop(number, None)

    def _measure(self, record: JobRecord) -> None:
        tail = self._tails.setdefault(record.number, MetricsTail(self.ledger.run(record).metrics))
        last = self._last.setdefault(record.number, {})
        for line in tail.new_lines():
            last |= {key: value for key, value in line.items() if isinstance(value, (int, float))}

    def measured(self, record: JobRecord) -> tuple[str, float] | None:
        """Return the metric of a job, and its best value if the job has ended, else its last one."""
        if record.best is not None:
            return record.best["metric"], record.best["value"]
        last = self._last.get(record.number, {})
        chosen = (record.config.get("target") or {}).get("metric")
        name = default_monitor(chosen, last).name
        return (name, last[name]) if name in last else None

    def step(self, record: JobRecord) -> int:
        """Return the last step of a job; 0 where it has none, or it is not known."""
        if record.state in ACTIVE:
            return int(self._last.get(record.number, {}).get("step", 0))
        if record.number not in self._steps:
            steps = self.ledger.run(record).read("summary.json").get("steps")
            self._steps[record.number] = steps if isinstance(steps, int) else (record.best or {}).get("step", 0)
        return self._steps[record.number]

    @property
    def status(self) -> str:
        """Return the status of the whole in a word."""
        if self.study is not None:
            return self.study.status
        return "running" if self.is_running else "ended"

    @property
    def progress(self) -> str:
        """Return where a study is, in words; nothing of another sweep."""
        if self.study is None:
            return ""
        return self.study.progress(self._labels())

    @property
    def blocks_begun(self) -> int:
        """Return how many blocks of a study have begun; 0 of another sweep."""
        return 0 if self.study is None else self.study.begun(self._labels())

    def _labels(self) -> list[Label]:
        return [label_of(" ".join(record.sweep_overrides)) for record in self.jobs.values()]
