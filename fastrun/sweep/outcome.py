"""How a job ended, according to its exit code and its run directory."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fastrun.errors import Diverged
from fastrun.storage.job import JobRecord
from fastrun.storage.run_dir import RunDir

_STOP_REASONS = {"timeout": "took longer than sweep.timeout", "pruned": "others did better by then"}
_TAIL = 1 << 16  # bytes of an output.log that an error is looked for in
_INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


def close_record(record: JobRecord, run: RunDir, code: int, stop_state: str | None, log_from: int = 0) -> None:
    """Write into a record how its job ended.

    Args:
        record: the record.
        run: the job's run directory.
        code: its exit code, or less than 0: the signal that ended it.
        stop_state: the state that it was stopped for, if it was.
        log_from: where in output.log this attempt begins.
    """
    finished = code == 0 and run.read("status.json").get("status") == "finished"
    if stop_state == "killed" and code in _INTERRUPTED:
        stop_state = None  # it had saved by then
    record.state = "finished" if finished else stop_state or _state(code)
    record.exit_code = 128 - code if code < 0 else code
    record.error = (
        None
        if finished
        else _STOP_REASONS.get(record.state) or _last_error(run.path / "output.log", log_from) or _reason(code)
    )
    best = run.read("summary.json").get("best") if finished else None
    record.best = best if isinstance(best, dict) else None
    record.ended, record.pid = time.time(), None
    record.seconds += record.ended - (record.started or record.ended)


def has_ended(run: RunDir, seconds: float) -> bool:
    """Wait a limited time until an unattended job has saved and ended, and return whether it has."""
    deadline = time.monotonic() + seconds
    while (running := run.status() == "running") and time.monotonic() < deadline:
        time.sleep(0.05)
    return not running


def settle_record(record: JobRecord, run: RunDir) -> None:
    """Update a record with the state ``running`` whose job does not run any more."""
    status = run.read("status.json")
    code = status.get("exit_code")
    if run.status() in ("unknown", "killed", "running") or not isinstance(code, int):
        close_record(record, run, -signal.SIGKILL, "killed")
    else:
        close_record(record, run, code, None)
    record.ended = float(status.get("updated", record.started or time.time()))


def _state(code: int) -> str:
    if code < 0:
        return "killed"
    if code in _INTERRUPTED:
        return "interrupted"
    return "diverged" if code == Diverged.exit_code else "failed"


def _last_error(log: Path, start: int) -> str | None:
    """Return the last error that a job printed."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else None


def _reason(code: int) -> str:
    if code == -signal.SIGKILL:
        return "ended by SIGKILL, as the system does when memory runs out"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" + (" before the run was finished" if code == 0 else "")
