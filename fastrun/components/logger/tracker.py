"""Protects a run from failures of its tracker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger

log = logging.getLogger("fastrun")

_SECTIONS = "best", "target", "clock", "throughput"  # of summary.json


class Tracker(Logger):
    """A Lightning logger that passes calls on to another one until that fails; then it logs one warning and stops.

    Callbacks of Lightning may log to it as well. Lightning counts calls, each of which is many optimizer steps, so the
    step that a callback passes is replaced by that of the run.

    Args:
        inner: the logger of the tracker.
        label: its name in the warning.
        step: returns the number of optimizer steps taken.
    """

    def __init__(self, inner: Logger, label: str, step: Callable[[], int]) -> None:
        super().__init__()
        self.inner, self.label, self.step = inner, label, step
        self.is_open = True

    @property
    def name(self) -> str | None:
        """Return the inner logger's name."""
        return self.inner.name

    @property
    def version(self) -> int | str | None:
        """Return the inner logger's version."""
        return self.inner.version

    @property
    def save_dir(self) -> str | None:
        """Return where the inner logger writes."""
        return self.inner.save_dir

    @property
    def experiment(self) -> Any:
        """Return the object of the tracker's own library, for callbacks that log more than numbers."""
        return self.inner.experiment  # type: ignore[attr-defined]

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Log lines of metrics.jsonl, each at the step that it names."""
        for line in lines:
            values = {key: value for key, value in line.items() if key != "step"}
            self._try(self.inner.log_metrics, values, line["step"])
        self.save()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers at the current step of the run."""
        self._try(self.inner.log_metrics, dict(metrics), self.step())

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Log the config of the run."""
        self._try(self.inner.log_hyperparams, dict(params))

    def save(self) -> None:
        """Write what was logged to the disk, so that nothing is lost if the run is killed."""
        self._try(self.inner.save)

    def finalize(self, status: str) -> None:
        """Close the tracker if the run failed; after a success the summary is still to be logged."""
        if status == "success":
            self.save()
        else:
            self._close(status)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Log the numbers of summary.json, and close the tracker."""
        self.log_metrics(summary_numbers(summary))
        self._close("success")

    def _close(self, status: str) -> None:
        self._try(self.inner.finalize, status)
        self.is_open = False

    def _try(self, call: Callable[..., Any], *arguments: Any) -> None:
        if not self.is_open:
            return
        try:
            call(*arguments)
        except Exception as error:  # such as a full disk, or a server that does not answer
            self.is_open = False
            log.warning(f"logger={self.label} failed; the run goes on without it: {reason_of(error)}")


def reason_of(error: BaseException) -> str:
    """Return the reason of a tracker's error in one line; Lightning's loggers wrap the error in advice."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


def summary_numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a summary's sections: ``summary/best/value``, ``summary/clock/train`` …"""
    sections = {name: summary[name] for name in _SECTIONS if summary[name]}
    numbers = {f"summary/{name}/{key}": value for name, section in sections.items() for key, value in section.items()}
    return {key: float(value) for key, value in numbers.items() if isinstance(value, (bool, int, float))}
