"""What the files of a run directory say, without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fastrun.redaction import redact, redact_message, redact_override
from fastrun.report.page.series import Series, read_series
from fastrun.report.record import RunRecord, read_record
from fastrun.storage.run_dir import RunDir

_LOG_LINES = 12  # of a run that went wrong


@dataclass(frozen=True)
class RunFiles:
    """A run as its files have it; what is missing or damaged is empty.

    Attributes:
        record: how it ended and its results.
        summary: summary.json.
        state: status.json.
        data: data.json.
        config: config.yaml.
        overrides: what the command lines said.
        series: the curves of metrics.jsonl by name.
        has_checkpoint: whether there is one to go on from.
        log: the last lines of run.log.
    """

    record: RunRecord
    summary: dict[str, Any]
    state: dict[str, Any]
    data: dict[str, Any]
    config: dict[str, Any]
    overrides: list[str]
    series: dict[str, Series]
    has_checkpoint: bool
    log: list[str]


def read_run(directory: RunDir) -> RunFiles:
    """Read the files of a run, which may be running or half-written."""
    record = read_record(directory.path)
    return RunFiles(
        record=record,
        summary=_plain(directory, "summary.json"),
        state=_plain(directory, "status.json"),
        data=_plain(directory, "data.json"),
        config=_config(directory.path / "config.yaml"),
        overrides=[redact_override(one) for one in record.overrides],
        series=read_series(directory.metrics),
        has_checkpoint=bool(directory.saved_checkpoints()),
        log=_last_lines(directory.path / "run.log"),
    )


def _plain(directory: RunDir, name: str) -> dict[str, Any]:
    content = redact(directory.read(name))
    return content if isinstance(content, dict) else {}


def _config(path: Path) -> dict[str, Any]:
    """Return the config, whatever its format, since it is only shown."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return redact(content) if isinstance(content, dict) else {}


def _last_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [redact_message(line) for line in lines[-_LOG_LINES:]]
