"""Jobs on Ray, under the interface of the process that forks jobs on this machine: the supervisor needs no other."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastrun import redaction
from fastrun.config.ray import RayConfig
from fastrun.config.settings import SweepConfig
from fastrun.storage.job import Job
from fastrun.sweep.ray_cluster import RayCluster, Shape
from fastrun.sweep.ray_slot import Slot

_LONG = 20.0  # seconds after which it is said that a job waits for room
_LOOK = 5.0  # seconds between two looks at which nodes there are


@dataclass(eq=False)
class _Place:
    """A slot, and the job that it has.

    Attributes:
        shape: what it takes of its node.
        actor: Ray's handle of the slot.
        up: what Ray answers with once the slot is there; None after that.
        since: when it was asked for, on the monotonic clock; infinity once it is there, or that was said.
        job: the number of its job; None while it has none.
        ended: what Ray answers with once the job has ended.
        pid: the same once the job has a process; None after that.
        order: what its job was started with.
        is_stopping: whether its job was asked to end.
        kills: how many times the job was to be killed.
    """

    shape: Shape
    actor: Any
    up: Any
    since: float
    job: int | None = None
    ended: Any = None
    pid: Any = None
    order: dict[str, Any] = field(default_factory=dict)
    is_stopping: bool = False
    kills: int = 0

    def answers(self) -> list[Any]:
        """Return what may be answered next."""
        return [ref for ref in (self.up, self.pid, self.ended) if ref is not None]


class RayClient:
    """Starts jobs on Ray, in slots that are kept for the next ones.

    Args:
        config: which Ray, and what a job takes of it.
        sweep: how the jobs run.
        jobs: the jobs that are known, of which Ray must hold each.

    Raises:
        ConfigError: Ray is not installed, cannot be reached or started, or cannot hold a job.
    """

    def __init__(self, config: RayConfig, sweep: SweepConfig, jobs: Sequence[Job] = ()) -> None:
        self.ready = True
        self.grace = 0.0
        self.cluster = RayCluster(config, sweep.gpus)
        self.ray = self.cluster.ray
        self._places: list[_Place] = []
        self._messages: list[dict[str, Any]] = []
        self._losses: dict[int, int] = {}  # by job: how many slots of it were lost
        self._room, self._looked = 1, float("-inf")
        try:
            shapes = {self.cluster.shape(asdict(job.settings), is_alone=job.is_alone) for job in jobs}
            for shape in shapes:
                self.cluster.check_room(shape)
        except BaseException:
            self.close()
            raise
        self._shape = next(iter(shapes), None)

    def room(self, jobs: int | None) -> int:
        """Return how many jobs may run at a time: as many as are asked for, else as many as Ray holds."""
        if jobs is None and self._shape is not None and time.monotonic() - self._looked > _LOOK:
            self._looked = time.monotonic()
            self._room = max(1, self.cluster.room(self._shape))
        return self._room if jobs is None else jobs

    def start(
        self,
        job: int,
        folder: Path,
        settings: dict[str, Any],
        overrides: list[str],
        grace: float,
        *,
        is_alone: bool = False,
        **share: Any,
    ) -> None:
        """Request the start of a job.

        Args:
            job: its number.
            folder: its run directory, which all nodes see.
            settings: its config.
            overrides: its overrides.
            grace: the seconds that it has to save when it is stopped.
            is_alone: whether it needs this node for itself.
            **share: its share of this machine, which counts for nothing on Ray.
        """
        self.grace = grace
        self._shape = shape = self.cluster.shape(settings, is_alone=is_alone)
        order = {"job": job, "folder": folder.absolute(), "settings": settings, "overrides": overrides, "grace": grace}
        order |= {"threads": shape.threads, "gpus": None, "secrets": redaction.known_secrets()}
        self._run(order, shape)

    def _run(self, order: dict[str, Any], shape: Shape) -> None:
        place = self._free_place(shape)
        place.job, place.order, place.is_stopping, place.kills = order["job"], order, False, 0
        place.ended = place.actor.run.remote(order)
        place.pid = _control(place.actor.pid).remote(place.job)

    def _free_place(self, shape: Shape) -> _Place:
        """Return a slot without a job. Where there is none of the shape, those of other shapes make room for it."""
        idle = [place for place in self._places if place.job is None]
        for place in idle:
            if place.shape == shape:
                return place
        for place in idle:
            self._drop(place)
        environment = {name: value for name, value in os.environ.items() if name.startswith("FASTRUN_")}
        path = [str(Path(entry).absolute()) for entry in sys.path]
        kind = self.cluster.actor(Slot, shape)
        actor = kind.remote(str(Path.cwd()), path, environment, sees_gpus=shape.gpus > 0)
        self._places.append(_Place(shape, actor, _control(actor.host).remote(), time.monotonic()))
        return self._places[-1]

    def stop(self, job: int, number: signal.Signals) -> None:
        """Request that a signal is sent to a job; one that does not listen, or has not begun, loses its slot."""
        for place in [place for place in self._places if place.job == job]:
            place.is_stopping = True
            place.kills += number == signal.SIGKILL
            if place.up is not None or place.kills > 1:
                self._messages.append({"ended": job, "code": -number if place.kills else 128 + number})
                self.ray.kill(place.actor)
                self._places.remove(place)
            else:
                _control(place.actor.stop).remote(job, int(number))

    def receive(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield what happened to jobs, and wait for it for a limited time."""
        answers = {ref: place for place in self._places for ref in place.answers()}
        if self._messages:
            seconds = 0
        if answers:
            known, _ = self.ray.wait(list(answers), timeout=seconds)
            for ref in known:
                self._messages += self._read(answers[ref], ref)
        else:
            time.sleep(seconds)
        self._messages += self._waiting()
        messages, self._messages = self._messages, []
        yield from messages

    def _read(self, place: _Place, ref: Any) -> Iterator[dict[str, Any]]:
        """Yield the message that is in an answer of Ray."""
        if ref == place.ended:
            yield from self._end(place)
        elif ref == place.up:
            place.up, place.since = None, float("inf")
        else:
            place.pid = None
            with suppress(self.ray.exceptions.RayError):  # what is lost has not ended well either
                if pid := self.ray.get(ref):
                    yield {"started": place.job, "pid": pid, "again": place.job in self._losses}

    def _end(self, place: _Place) -> Iterator[dict[str, Any]]:
        """Yield how a job ended, unless it is started again because its worker or node was lost."""
        assert place.job is not None
        message: dict[str, Any] = {"ended": place.job}
        try:
            message["code"] = self.ray.get(place.ended)
        except self.ray.exceptions.RayTaskError as error:
            message |= {"code": 1, "error": _last_line(error.cause or error)}
        except self.ray.exceptions.RayError:
            self.ray.kill(place.actor)
            self._places.remove(place)
            losses = self._losses[place.job] = self._losses.get(place.job, 0) + 1
            if not place.is_stopping and not 0 <= self.cluster.config.retries < losses:
                self._run(place.order, place.shape)
                return
            message["code"] = -signal.SIGKILL
            if not place.is_stopping:
                message["error"] = f"its worker on Ray was lost {losses} time{'s' * (losses != 1)}"
        self._losses.pop(place.job, None)
        place.job = place.ended = place.pid = None
        yield message

    def _waiting(self) -> Iterator[dict[str, Any]]:
        """Yield that a job waits for room, once for each slot."""
        for place in self._places:
            if place.job is not None and time.monotonic() - place.since > _LONG:
                place.since = float("inf")
                yield {"say": f"job {place.job} waits until a node of Ray has {place.shape} to spare"}

    def _drop(self, place: _Place) -> None:
        with suppress(self.ray.exceptions.RayError):
            self.ray.get(_control(place.actor.close).remote(), timeout=self.grace + 5)
        self.ray.kill(place.actor)
        self._places.remove(place)

    def close(self) -> None:
        """End the slots, and Ray where it was started here."""
        with suppress(self.ray.exceptions.RayError):
            closing = [_control(place.actor.close).remote() for place in self._places if place.up is None]
            self.ray.get(closing, timeout=self.grace + 5)
        for place in self._places:
            self.ray.kill(place.actor)
        self._places = []
        self.cluster.close()


def _control(method: Any) -> Any:
    """Return a method of a slot that is answered while another one waits for the end of its job."""
    return method.options(concurrency_group="control")


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__
