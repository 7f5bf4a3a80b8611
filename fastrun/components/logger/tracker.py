"""Between a run and its tracker: a run goes on whatever becomes of the tracker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger

log = logging.getLogger("fastrun")

_SECTIONS = "best", "target", "clock", "throughput"  # of summary.json


class Tracker(Logger):
    """A Lightning logger that hands on to another until that fails; then it says so, once, and is silent.

    Lightning's own callbacks log to it as well. They count calls, each of them many steps; so whatever step they name,
    it is logged at the run's.

    Args:
        inner: the tracker's own logger.
        label: what to call it in a warning.
        step: returns the optimizer steps done.
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
        """Return the tracker's own object, for callbacks that log more than numbers."""
        return self.inner.experiment  # type: ignore[attr-defined]

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Log lines of metrics.jsonl, each at its own step."""
        for line in lines:
            values = {key: value for key, value in line.items() if key != "step"}
            self._try(self.inner.log_metrics, values, line["step"])
        self.save()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers at the step that the run has come to."""
        self._try(self.inner.log_metrics, dict(metrics), self.step())

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Log what the run was configured with."""
        self._try(self.inner.log_hyperparams, dict(params))

    def save(self) -> None:
        """Have what was logged written, so that a run that is killed has lost none of it."""
        self._try(self.inner.save)

    def finalize(self, status: str) -> None:
        """End what has failed; a run that trained to its end still has a summary to log."""
        if status == "success":
            self.save()
        else:
            self._close(status)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Log the numbers of summary.json, and end."""
        self.log_metrics(figures(summary))
        self._close("success")

    def _close(self, status: str) -> None:
        self._try(self.inner.finalize, status)
        self.is_open = False

    def _try(self, act: Callable[..., Any], *arguments: Any) -> None:
        if not self.is_open:
            return
        try:
            act(*arguments)
        except Exception as error:  # a full disk, a server that is gone: whatever a tracker can come to
            self.is_open = False
            log.warning(f"logger={self.label} failed, the run goes on without it: {reason_of(error)}")


def reason_of(error: BaseException) -> str:
    """Return in one line what a tracker came to; Lightning's loggers wrap it in advice."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


def figures(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a summary's sections: ``summary/best/value``, ``summary/clock/train`` …"""
    sections = {name: summary[name] for name in _SECTIONS if summary[name]}
    numbers = {f"summary/{name}/{key}": value for name, section in sections.items() for key, value in section.items()}
    return {key: float(value) for key, value in numbers.items() if isinstance(value, (bool, int, float))}
