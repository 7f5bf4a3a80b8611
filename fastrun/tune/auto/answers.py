"""What trials found out, kept in the user's cache folder for later runs of the same steps on the same machine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from fastrun.components.data.learned import DataState
from fastrun.components.device.device import Device
from fastrun.config.paths import cache
from fastrun.config.settings import Settings
from fastrun.errors import StorageError
from fastrun.storage.atomic import write_atomic
from fastrun.system.cores import allowed_cores
from fastrun.system.versions import versions

try:
    import fcntl
except ImportError:  # not on Windows, where two runs may measure at the same time
    fcntl = None  # type: ignore[assignment]

_FORMAT = 1
_BUSY_SHARE = 0.8  # of the CPU time: a trial that gets less has neighbors
_BUSY_SECONDS = 3600.0
_LOCK_SECONDS = 60.0  # a trial takes 10 s, and its first steps some more

log = logging.getLogger("fastrun")


@dataclass(frozen=True)
class Answer:
    """What to take for the open keys of a run.

    Attributes:
        choice: a value for each key.
        by: ``measured``, or ``rule`` for a run that was too short to measure anything.
        step_seconds: the seconds of a step with it; None if that is not known.
        rows: what was measured, as plain data.
        cpu_share: the share of CPU time that the trial got; None if that is not known.
        budget: the seconds that the trial was given.
        is_whole: whether they were enough to measure all that there is to choose.
    """

    choice: dict[str, Any]
    by: str
    step_seconds: float | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    cpu_share: float | None = None
    budget: float = 0.0
    is_whole: bool = True

    @property
    def was_busy(self) -> bool:
        """Say whether other work took much of the CPU time of the trial."""
        return self.cpu_share is not None and self.cpu_share < _BUSY_SHARE

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        """Return the answer that a file holds.

        Raises:
            KeyError, TypeError, ValueError: the content is not that of an answer.
        """
        if content["format"] != _FORMAT or content["answer"]["by"] not in ("measured", "rule"):
            raise ValueError("another format")
        answer = cls(**content["answer"])
        if not all(isinstance(key, str) for key in dict(answer.choice)):
            raise TypeError("keys are texts")
        return answer


def folder() -> Path:
    """Return the folder of the answers."""
    return cache() / "auto"


def question(settings: Settings, learned: DataState, device: Device) -> dict[str, Any]:
    """Return all that an answer depends on: the machine, the network, the shapes of a batch, and which keys are open.

    The optimizer is not part of it, nor is the augmentation, so that the runs of a sweep over them are comparable.
    """
    kept = {name: value for name, value in asdict(settings.speed).items() if name not in ("found", "trial_seconds")}
    return {
        "versions": {name: versions()[name] for name in ("fastrun", "torch")},
        "device": [str(device.torch_device.type), device.model_name, device.world_size],
        "cores": allowed_cores(),
        "model": settings.model | {"source": _source_of(settings.model.get("_target_"))},
        "norm": settings.norm,
        "samples": [list(learned.in_shape), learned.dtype, learned.task.outputs],
        "batch": [settings.batch.size, settings.batch.accumulate],
        "transfer": settings.transfer.kind,
        "deterministic": settings.deterministic,
        "speed": kept,
        "amp": settings.amp.kind,
        "pipeline": asdict(settings.pipeline),
    }


def _source_of(target: Any) -> str:
    """Return a hash of the file that a model is defined in, so that an answer is for the code that it was found for."""
    module = str(target).rpartition(".")[0]
    with suppress(Exception, SystemExit):  # a package of the user's; the run itself reports what is wrong with it
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:16]
    return ""


def _path(asked: dict[str, Any]) -> Path:
    text = json.dumps(asked, sort_keys=True, default=str)
    return folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def recall(asked: dict[str, Any]) -> Answer | None:
    """Return the answer to a question; None if there is none, if its file is damaged, or if it has expired.

    One that was measured on a busy machine holds for an hour, so that the jobs of a sweep share it.
    """
    path = _path(asked)
    try:
        answer = Answer.of(json.loads(path.read_bytes()))
        has_expired = answer.was_busy and time.time() - path.stat().st_mtime > _BUSY_SECONDS
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return None if has_expired else answer


def keep(asked: dict[str, Any], answer: Answer) -> None:
    """Keep an answer for later runs. Where that is not possible, later runs measure again."""
    content = {"format": _FORMAT, "question": asked, "answer": asdict(answer)}
    try:
        folder().mkdir(parents=True, exist_ok=True)
        write_atomic(_path(asked), json.dumps(content, indent=2, default=str))
    except (OSError, StorageError) as error:
        log.debug(f"what was measured cannot be kept in {folder()}: {error}")


def forget() -> int:
    """Remove all answers, and return how many there were."""
    paths = list(folder().glob("*.json"))
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


@contextmanager
def one_at_a_time(asked: dict[str, Any]) -> Iterator[None]:
    """Wait until no other process measures the answer to the same question, which it would disturb."""
    path = _path(asked)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".lock").open("w")
    except OSError:
        yield
        return
    with file:
        if fcntl is not None:
            _wait_for_lock(file.fileno())
        yield


def _wait_for_lock(file: int) -> None:
    """Lock a file. A process that holds it for long may have been suspended, so this one goes on without it then."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return
        else:
            return
