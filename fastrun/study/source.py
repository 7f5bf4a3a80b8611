"""The jobs of a study, as the supervisor of a sweep takes them: what is wanted next follows from the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from fastrun.config.settings import TargetConfig
from fastrun.storage.job import Job, JobRecord
from fastrun.study.arms import Arm
from fastrun.study.definition import Definition
from fastrun.study.plan import Plan
from fastrun.study.request import Request, job_of
from fastrun.study.results import Results


class Stage(Protocol):
    """A part of a study: the pilot, or the runs that count."""

    def wanted(self) -> list[Request]:
        """Return the runs to start next, the most urgent first; none at the end of the stage."""
        ...

    def is_alone(self, request: Request) -> bool:
        """Say whether a run must not share the machine."""
        ...

    def arm(self, request: Request) -> Arm:
        """Return the arm of a request."""
        ...


class StudySource:
    """A source of jobs whose stages follow each other.

    Args:
        definition: the study.
        results: what became of the runs so far.
        stage: the stage to begin with.
        following: returns the stage after one that wants nothing any more; None after the last one.
    """

    def __init__(
        self, definition: Definition, results: Results, stage: Stage, following: Callable[[Stage], Stage | None]
    ) -> None:
        self.study, self.results, self.stage, self.following = definition, results, stage, following
        self.definition: dict[str, Any] = {"kind": "study"}  # what sweep.json says of the jobs
        self.total = 0
        self.plan: Plan | None = None
        self.running: dict[int, Request] = {}
        self._wanted: list[Request] | None = None

    @property
    def done(self) -> bool:
        """Say whether no run will be wanted any more."""
        return not self._requests() and not self.running

    def known_jobs(self) -> Sequence[Job]:
        """Return no jobs: each follows from the results of others."""
        return ()

    def next(self) -> Job | None:
        """Return the next job; None if there is none before another one has ended."""
        running = set(self.running.values())
        if any(self.stage.is_alone(request) for request in running):
            return None
        for request in self._requests():
            if request in running:
                continue
            if running and self.stage.is_alone(request):
                return None
            return self._job(request)
        return None

    def measured(self, job: Job, step: int, metrics: dict[str, float]) -> bool:
        """Return False: every run of a study is complete."""
        return False

    def ended(self, record: JobRecord) -> None:
        """Take note of how a job ended."""
        self.running.pop(record.number, None)
        self.results.add(record, is_live=True)
        self._wanted = None

    def _requests(self) -> list[Request]:
        """Return what is wanted now, of the next stage where nothing of this one is."""
        if self._wanted is None:
            self._wanted = self.stage.wanted()
            while not self._wanted and not self.running and (following := self.following(self.stage)) is not None:
                self.stage = following
                self._wanted = self.stage.wanted()
        return self._wanted

    def _job(self, request: Request) -> Job:
        number = self.results.number_of(request)
        if number is None:
            number = self.results.next_number
            self.results.take_note(request, number)
        self.running[number] = request
        metric = self.study.full.settings.target.metric
        value, freeze = (None, "") if self.plan is None else (float(self.plan.target["value"]), self.plan.freeze)
        arm = self.stage.arm(request)
        target, resample = TargetConfig(metric, value), self.study.config.resample
        job = job_of(request, arm, number, self.study.runs, target, freeze, resample=resample)
        return replace(job, is_alone=self.stage.is_alone(request))
