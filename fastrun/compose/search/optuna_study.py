"""Jobs at the points that Optuna suggests. Their results are recorded in a journal beside the runs."""

from __future__ import annotations

import fcntl
import json
import math
import os
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from fastrun.compose.search.grid import bare_key, merge
from fastrun.compose.search.optuna_config import OptunaConfig
from fastrun.compose.search.optuna_internals import resume_trial
from fastrun.compose.search.space import Axis, Interval, Overrides, Values
from fastrun.config.monitor import default_monitor, directions_of
from fastrun.errors import ConfigError
from fastrun.redaction import redact_override
from fastrun.storage.atomic import storage_errors, write_atomic
from fastrun.storage.job import FAILED, Job, JobRecord

JOURNAL = "optuna.jsonl"

Compose = Callable[[int, Overrides], Job]  # a trial's number, and its point


class OptunaSource:
    """A source of jobs that depends on results. The number of a job is that of its trial."""

    def __init__(
        self,
        folder: Path,
        config: OptunaConfig,
        axes: Sequence[Axis],
        compose: Compose,
        *,
        n_jobs: int,
        definition: dict[str, Any],
    ) -> None:
        """Store the definition of the search. Files are opened when the first job is requested.

        Args:
            folder: the sweep's, where the journal lies.
            config: how to search.
            axes: the space.
            compose: makes a job of a point.
            n_jobs: how many trials run at a time.
            definition: the description of the source in sweep.json.
        """
        self.folder, self.config, self.axes, self.compose = folder, config, axes, compose
        self.n_jobs = n_jobs
        self.definition = {"kind": "optuna"} | definition
        self.total = config.n_trials
        self.running: dict[int, Trial] = {}
        self.issued: set[int] = set()

    @cached_property
    def study(self) -> optuna.Study:
        """Open the journal, or create it."""
        optuna.logging.disable_default_handler()
        path = self.folder / JOURNAL
        with storage_errors(path):
            _truncate_incomplete_line(path)
            journal = JournalStorage(JournalFileBackend(str(path), lock_obj=Lock(path)))  # type: ignore[arg-type]
        direction = StudyDirection[(self.config.direction or "maximize").upper()]
        study = optuna.create_study(storage=journal, study_name="sweep", direction=direction, load_if_exists=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of what Optuna has is marked as experimental
            study.sampler = _sampler(self.config, len(study.trials), self.n_jobs)
            study.pruner = _pruner(self.config)
        return study

    @property
    def done(self) -> bool:
        """Say whether all trials have been returned as jobs."""
        return len(self._trials()) >= self.total and not self._unfinished()

    def known_jobs(self) -> Sequence[Job]:
        """Return no jobs: Optuna suggests each one when it starts."""
        return ()

    def next(self) -> Job | None:
        """Return the job of an unfinished trial of an earlier attempt, or of a new trial."""
        while len(self.running) < self.n_jobs and (trial := self._next_trial()) is not None:
            self.issued.add(trial.number)
            overrides = merge([_suggest(trial, axis) for axis in self.axes])
            try:
                job = self.compose(trial.number, overrides)
            except ConfigError as error:
                print(f"trial {trial.number}: {error.message}")
                self.study.tell(trial, state=TrialState.FAIL)
                continue
            trial.set_user_attr("run", job.folder.name)
            trial.set_user_attr("overrides", [redact_override(text) for text in job.sweep_overrides])
            self.running[trial.number] = trial
            return job
        return None

    def measured(self, job: Job, step: int, metrics: dict[str, float]) -> bool:
        """Report a validation once, and return whether the pruner would stop the trial."""
        metric = default_monitor(job.settings.target.metric, metrics, directions_of(job.settings.metrics))
        trial, value = self.running[job.number], metrics.get(metric.name)
        if value is None or step in self._frozen_trial(job.number).intermediate_values:
            return False
        if job.settings.target.metric is None:
            self._check_direction(metric.name, metric.higher_is_better)
        trial.report(value, step)
        return trial.should_prune()

    def ended(self, record: JobRecord) -> None:
        """Report the end of a trial once. Interrupted and killed trials may be resumed, so these are not reported."""
        self.running.pop(record.number, None)
        if record.number < len(self._trials()) and not self._frozen_trial(record.number).state.is_finished():
            self._tell(record)
        if best := self.best():
            content = {"trial": best.number, "value": best.value, "params": best.params} | best.user_attrs
            write_atomic(self.folder / "best.json", json.dumps(content, indent=2))

    def _tell(self, record: JobRecord) -> None:
        value = (record.best or {}).get("value")
        if record.state == "finished" and isinstance(value, int | float) and math.isfinite(value):
            self.study.tell(record.number, value)
        elif record.state == "pruned":
            self.study.tell(record.number, state=TrialState.PRUNED)
        elif record.state in ("finished", *FAILED):
            self.study.tell(record.number, state=TrialState.FAIL)

    def best(self) -> FrozenTrial | None:
        """Return the best trial; None if no trial has finished."""
        has_any = any(trial.state == TrialState.COMPLETE for trial in self._trials())
        return self.study.best_trial if has_any else None

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _frozen_trial(self, number: int) -> FrozenTrial:
        return self._trials()[number]

    def _unfinished(self) -> list[FrozenTrial]:
        """Return the trials of an earlier attempt whose end was not reported."""
        return [trial for trial in self._trials() if not trial.state.is_finished() and trial.number not in self.issued]

    def _next_trial(self) -> Trial | None:
        for unfinished in self._unfinished():
            if (trial := resume_trial(self.study, unfinished)) is not None:
                return trial
        return self.study.ask() if len(self._trials()) < self.total else None

    def _check_direction(self, name: str, higher_is_better: bool) -> None:
        better = "maximize" if higher_is_better else "minimize"
        if self.study.direction.name.lower() != better:
            raise ConfigError(
                f"the runs are judged by {name}, which the search does not {better}",
                f"start it again with hydra.sweeper.direction={better} target.metric={name}",
            )


class Lock:
    """A lock between the writers of a journal. Unlike Optuna's own, it is released whenever its process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_suffix(".lock")

    def acquire(self) -> bool:
        """Acquire the lock, and wait until it is free."""
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self.handle, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Release the lock for other writers of the journal."""
        os.close(self.handle)


def _truncate_incomplete_line(path: Path) -> None:
    """Truncate an incomplete last line, which a crash may leave and Optuna cannot parse."""
    if path.is_file() and not (content := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


def _suggest(trial: Trial, axis: Axis) -> Overrides:
    """Return the place of a trial on an axis, which is suggested now or was suggested before."""
    name = "+".join(map(bare_key, axis.keys))
    if isinstance(axis, Interval):
        if axis.is_whole:
            return axis.place(trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log))
        return axis.place(trial.suggest_float(name, axis.low, axis.high, log=axis.log))
    assert isinstance(axis, Values)
    if axis.numbers:
        return axis.listed[_suggest_index(trial, name, axis.numbers)]
    texts = [" ".join(place.values()).removeprefix(f"{axis.keys[0]}=") for place in axis.listed]
    return axis.listed[texts.index(trial.suggest_categorical(name, list(dict.fromkeys(texts))))]


def _suggest_index(trial: Trial, name: str, numbers: Sequence[float]) -> int:
    """Return a suggested index of equally spaced numbers."""
    low, high, step = min(numbers), max(numbers), abs(numbers[1] - numbers[0])
    if all(isinstance(number, int) for number in numbers):
        return numbers.index(trial.suggest_int(name, int(low), int(high), step=int(step)))
    number = trial.suggest_float(name, low, high, step=step)
    return min(range(len(numbers)), key=lambda at: abs(numbers[at] - number))


def _sampler(config: OptunaConfig, trials: int, n_jobs: int) -> BaseSampler:
    """Return the sampler, seeded so that a resumed search does not draw the numbers of the earlier attempt again."""
    seed, startup = config.seed + trials, config.n_startup_trials
    if config.sampler == "random":
        return RandomSampler(seed)
    if config.sampler == "tpe":
        return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=n_jobs > 1)
    return CmaEsSampler(seed=seed, n_startup_trials=startup)


def _pruner(config: OptunaConfig) -> BasePruner:
    if config.pruner == "none":
        return NopPruner()
    return MedianPruner(config.pruner_startup_trials, config.n_warmup_steps)
