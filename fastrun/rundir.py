"""The run directory: what a run leaves, written so that a crash at any moment leaves it readable."""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from fastrun import saved
from fastrun.durable import append, storage, write_atomic
from fastrun.errors import CheckpointError, ConfigError, StorageError
from fastrun.process import Process
from fastrun.redaction import said, shown
from fastrun.saved import Saved
from fastrun.settings import Settings

_ENDED = "finished", "failed", "interrupted", "diverged"


def stamp() -> str:
    """Return ``YYYY-mm-dd_HH-MM-SS-<4 hex>``, a name that no two runs share."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{secrets.token_hex(2)}"


def check_name(name: str) -> str:
    """Return a run's name if it may be a folder's.

    Raises:
        ConfigError: it is empty, hidden, or would lead out of the output folder.
    """
    if (
        not name
        or name.startswith(".")
        or set(name) & set('/\\:*?"<>|\0\n')
        or len(name) > 100
        or len(name.encode()) > 255
    ):
        raise ConfigError(f"name={name} cannot be a folder", "use letters, digits, '_' and '-'")
    return name


class RunDir:
    """One run's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"

    @classmethod
    def create(cls, path: Path, settings: Settings, overrides: Iterable[str]) -> RunDir:
        """Lay out a new run directory: the config, what the command line said, and a place for checkpoints.

        Raises:
            StorageError: the folder cannot be written, or a run lies there already.
        """
        if (path / "config.yaml").exists():
            raise StorageError(
                f"{path} holds a run already", "a run directory is never used twice: leave hydra.run.dir"
            )
        run = cls(path)
        with storage(path):
            run.checkpoints.mkdir(parents=True, exist_ok=True)
        write_atomic(path / "overrides.yaml", yaml.safe_dump([said(one) for one in overrides]))
        write_atomic(path / "config.yaml", yaml.safe_dump(shown(asdict(settings)), sort_keys=False))
        return run

    def change(self, settings: Settings, overrides: Iterable[str]) -> None:
        """Take over other values, as a resumed run may have them."""
        write_atomic(self.path / "overrides.yaml", yaml.safe_dump([*self.overrides(), *map(said, overrides)]))
        write_atomic(self.path / "config.yaml", yaml.safe_dump(shown(asdict(settings)), sort_keys=False))

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Open a run directory that exists.

        Raises:
            CheckpointError: there is no run there.
            StorageError: it cannot be looked at.
        """
        with storage(path, "read"):
            is_run = (path / "config.yaml").is_file()
        if not is_run:
            raise CheckpointError(f"{path} is not a run directory", "`fastrun runs` lists those there are")
        return cls(path)

    def config(self) -> dict[str, Any]:
        """Return the composed config as plain data; the user's files that it names are found from any folder."""
        path = self.path / "config.yaml"
        try:
            with storage(path, "read"):
                loaded = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not YAML: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"{path} holds no config")
        return _findable(loaded, Path(self.read("status.json").get("folder", ".")))

    def overrides(self) -> list[str]:
        """Return what the command line said."""
        path = self.path / "overrides.yaml"
        with storage(path, "read"):
            return list(yaml.safe_load(path.read_text()) or []) if path.is_file() else []

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the directory, empty where there is none or it is broken."""
        try:
            found = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def begin(self) -> None:
        """Mark the run as running in this process, one more attempt."""
        before = self.read("status.json")
        status = {
            "status": "running",
            **asdict(Process.this()),
            "exit_code": None,
            "attempts": before.get("attempts", 0) + 1,
            "started": before.get("started", time.time()),
            "folder": before.get("folder", str(Path.cwd())),
            "updated": time.time(),
        }
        write_atomic(self.path / "status.json", json.dumps(status, indent=2))

    def end(self, status: str, exit_code: int) -> None:
        """Mark the run as ended."""
        assert status in _ENDED, status
        ended = self.read("status.json") | {"status": status, "exit_code": exit_code, "updated": time.time()}
        write_atomic(self.path / "status.json", json.dumps(ended, indent=2))

    def status(self) -> str:
        """Return the run's status; ``killed`` where it says running but its process, of this machine, is gone."""
        status = self.read("status.json")
        process = Process.of(status)
        if status.get("status") == "running" and process is not None and process.is_gone():
            return "killed"
        return str(status.get("status", "unknown"))

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append objects to metrics.jsonl, a line each; numbers that JSON has no word for become null."""
        text = "".join(json.dumps({k: _finite(v) for k, v in line.items()}) + "\n" for line in lines)
        append(self.metrics, text)

    def lines(self) -> list[dict[str, Any]]:
        """Return metrics.jsonl, without lines that a crash cut short or a disk damaged; empty if it cannot be read."""
        try:
            return _whole(self.metrics.read_bytes())
        except OSError:
            return []

    def forget_after(self, step: int) -> None:
        """Drop the checkpoints and the lines past a step, and what writers that died left.

        A run that goes on from a whole checkpoint at that step makes them again. Checkpoints go first: none is ever
        ahead of its lines.

        Raises:
            StorageError: something cannot be removed, or metrics.jsonl not be read or written.
        """
        with storage(self.path, "read"):
            saved.forget_after(self.checkpoints, step)
            saved.forget_temporaries(self.path)
        with storage(self.metrics, "read"):
            lines = _whole(self.metrics.read_bytes()) if self.metrics.exists() else []
        write_atomic(self.metrics, "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step))

    def describe(self, data: Mapping[str, Any]) -> None:
        """Write data.json: what the run trains on."""
        write_atomic(self.path / "data.json", json.dumps(_finite(shown(data)), indent=2, default=str))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        write_atomic(self.path / "summary.json", json.dumps(_finite(shown(summary)), indent=2, default=str))

    def saved(self) -> list[Saved]:
        """Return the checkpoints that have a manifest, the newest first."""
        return saved.saved_in(self.checkpoints)

    def newest_good(self) -> tuple[Saved, list[Saved]]:
        """Return the newest whole checkpoint and the newer ones that had to be passed over.

        Raises:
            CheckpointError: there is none.
        """
        return saved.newest_good(self.checkpoints)

    def is_unsaved(self) -> bool:
        """Say whether no checkpoint was ever whole: at most the first one was under way when the run ended."""
        return not any(self.checkpoints.glob("step-*.json")) and len(list(self.checkpoints.glob("step-*.ckpt"))) < 2


def _whole(text: bytes) -> list[dict[str, Any]]:
    """Return the lines that end, are JSON, and name a step."""
    found = []
    for line in text.split(b"\n")[:-1]:
        with suppress(ValueError):
            content = json.loads(line)
            if isinstance(content, dict) and isinstance(content.get("step"), int):
                found.append(content)
    return found


def _findable(config: dict[str, Any], started_in: Path) -> dict[str, Any]:
    """Return a config whose relative paths to data or weights that only the run's first folder has are whole."""
    for group, keys in {"data": config.get("data") or {}, "transfer": ("source",)}.items():
        part = config.get(group) or {}
        for key in keys:
            path = Path(part[key]) if isinstance(part.get(key), str) else Path()
            with suppress(OSError):  # too long for a path, so it is none
                if key != "_target_" and not path.exists() and (started_in / path).exists():
                    part[key] = str(started_in / path)
    return config


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
