"""Runs the jobs of a sweep, several at a time, and records how each of them ends."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from fastrun.config.duration import to_seconds
from fastrun.config.settings import SweepConfig
from fastrun.storage.job import Job, JobRecord, JobSource
from fastrun.storage.run_dir import RunDir
from fastrun.sweep import outcome, resources
from fastrun.sweep.client import Client, ServerLost
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.live_view import LiveView
from fastrun.sweep.metrics_tail import MetricsTail
from fastrun.sweep.signals import Signals

POLL = 0.25  # seconds between two looks at what jobs measured, and at the clock


@dataclass
class Running:
    """A job that runs, and when it is to be stopped.

    Attributes:
        started: when it started, on the monotonic clock; infinity until it has a process.
        log_from: where in its output.log this attempt begins.
        stop_state: the state that it gets once it has stopped, where it was asked to stop.
        kill_at: when it is killed, if it has not saved and ended until then.
    """

    job: Job
    record: JobRecord
    run: RunDir
    gpus: list[str] | None
    measured: MetricsTail
    log_from: int
    started: float = float("inf")
    stop_state: str | None = None
    kill_at: float = float("inf")


class Supervisor:
    """Starts and monitors the jobs of a sweep, and writes its ledger."""

    def __init__(
        self, ledger: Ledger, source: JobSource, sweep: SweepConfig, view: LiveView, client: JobServer | None = None
    ) -> None:
        self.ledger, self.source, self.sweep, self.view = ledger, source, sweep, view
        self.timeout = to_seconds(sweep.timeout, "sweep.timeout") if sweep.timeout else float("inf")
        self.grace = to_seconds(sweep.grace, "sweep.grace")
        self.running: dict[int, Running] = {}
        self.gpus: list[str] = []
        self.signals = Signals()
        self.client: JobServer = client or Client()
        self.is_stopping = False
        self.losses = 0  # of servers, since a job ended

    def run(self) -> int:
        """Run all jobs, and return the signal that stopped the sweep, or 0."""
        with self.signals:
            try:
                while self._has_work():
                    self._step()
            finally:
                self.client.close()
        return self.signals.number

    def _has_work(self) -> bool:
        return bool(self.running) or not (self.signals.count or self.source.done)

    def _step(self) -> None:
        """Start jobs, process the messages of the server, and check time limits."""
        if self.signals.count:
            self._stop_all()
        elif self.client.ready:
            self._start_jobs()
        try:
            for message in self.client.receive(POLL):
                self._handle(message)
        except ServerLost:
            self._replace_server()
        for running in self.running.values():
            self._read_validations(running)
            self._check_time(running)
        self.view.draw(self.running.keys())

    def _handle(self, message: dict[str, Any]) -> None:
        if "gpus" in message:
            self.gpus = resources.visible(message["gpus"])
        elif "started" in message:
            running = self.running[message["started"]]
            running.started, running.record.pid = time.monotonic(), message["pid"]
            running.record.attempts += message.get("again", False)
            self.ledger.write(running.record)
        elif "say" in message:
            self.view.say(message["say"])
        else:
            self._end(self.running.pop(message["ended"]), message["code"], message.get("error"))

    def _start_jobs(self) -> None:
        while len(self.running) < self.client.room(self.sweep.jobs) and not self.source.done:
            job = self.source.next()
            if job is None:
                return
            self._start(job)

    def _start(self, job: Job) -> None:
        record, run = self.ledger.add(job), RunDir(job.folder)
        gpus = resources.gpus(job.settings, self.gpus, (running.gpus or [] for running in self.running.values()))
        record.state, record.attempts, record.started, record.error = "running", record.attempts + 1, time.time(), None
        self.ledger.write(record)
        self.running[job.number] = Running(
            job, record, run, gpus, MetricsTail(run.metrics), _size(run.path / "output.log")
        )
        share: dict[str, Any] = {"threads": resources.threads(self.sweep.at_once), "gpus": gpus}
        config = asdict(job.settings)
        self.client.start(job.number, job.folder, config, job.overrides, self.grace, is_alone=job.is_alone, **share)
        self.view.started(record)

    def _read_validations(self, running: Running) -> None:
        """Read the new validations of a job, and stop it if the source says so."""
        for step, metrics in running.measured.new_validations():
            self.view.measured(running.record, step, metrics)
            if self.source.measured(running.job, step, metrics):
                self._stop(running, "pruned")

    def _check_time(self, running: Running) -> None:
        now = time.monotonic()
        if now - running.started > self.timeout:
            self._stop(running, "timeout")
        if now > running.kill_at:
            running.kill_at = now + 1
            self.client.stop(running.job.number, signal.SIGKILL)

    def _stop(self, running: Running, state: str) -> None:
        """Request once that a job saves and ends."""
        if running.stop_state is None:
            running.stop_state, running.kill_at = state, time.monotonic() + self.grace
            self.client.stop(running.job.number, signal.SIGTERM)

    def _stop_all(self) -> None:
        """Request that all jobs save and end; kill them at a second signal."""
        if not self.is_stopping:
            self.is_stopping = True
            self.view.say("stopping: jobs save what they have; once more, and they are killed")
        for running in self.running.values():
            self._stop(running, "interrupted")
            if self.signals.count > 1:
                running.stop_state, running.kill_at = "killed", min(running.kill_at, time.monotonic())

    def _end(self, running: Running, code: int, error: str | None = None) -> None:
        self._read_validations(running)
        outcome.close_record(running.record, running.run, code, running.stop_state, running.log_from)
        running.record.error = error or running.record.error
        self._record_end(running)
        self.losses = 0

    def _record_end(self, running: Running) -> None:
        self.ledger.write(running.record)
        self.source.ended(running.record)
        self.view.ended(running.record)

    def _replace_server(self) -> None:
        """Record the jobs of a server that died, after they have saved, and start another server.

        Raises:
            ServerLost: the one before it ended no job either.
        """
        self.losses += 1
        for running in self.running.values():
            if not outcome.has_ended(running.run, self.grace) and running.record.pid:
                with suppress(ProcessLookupError):
                    os.killpg(running.record.pid, signal.SIGKILL)
            outcome.settle_record(running.record, running.run)
            self._record_end(running)
        self.running.clear()
        self.client.close()
        if self.losses > 1:
            raise ServerLost("the process that starts the jobs of the sweep dies", "out of memory? try sweep.jobs=1")
        self.client = Client()


def _size(path: Any) -> int:
    return path.stat().st_size if path.is_file() else 0
