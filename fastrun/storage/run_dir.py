"""The run directory: the files of a run, written so that a crash at any moment leaves them readable."""

from __future__ import annotations

import itertools
import json
import shlex
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from fastrun.config.settings import Settings
from fastrun.errors import CheckpointError, ConfigError, StorageError
from fastrun.redaction import redact, redact_override
from fastrun.storage import metrics_file
from fastrun.storage.atomic import storage_errors, write_atomic
from fastrun.storage.checkpoint import files, select
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.format import FORMAT, check_format
from fastrun.system.process import Process

_FIRST_FILES = "config.yaml", "overrides.yaml", "status.json", "data.json", "run.log", "lock"  # before the first step
_ENDED = "finished", "failed", "interrupted", "diverged"


class RunDir:
    """The directory of a run.

    Attributes:
        path: the directory.
        checkpoints: the folder of its checkpoints.
        metrics: its metrics.jsonl.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"

    @classmethod
    def create(cls, path: Path, settings: Settings, overrides: Iterable[str]) -> RunDir:
        """Create a run directory with the config, the overrides, and a folder for checkpoints.

        Args:
            path: the directory.
            settings: the config.
            overrides: the overrides of the command line.

        Raises:
            StorageError: the directory cannot be written, or holds a run already.
        """
        if (path / "config.yaml").exists():
            raise StorageError(
                f"{path} holds a run already",
                "a run directory is used once: choose another one, or leave out hydra.run.dir",
            )
        run = cls(path)
        with storage_errors(path):
            run.checkpoints.mkdir(parents=True, exist_ok=True)
        write_atomic(path / "overrides.yaml", yaml.safe_dump([redact_override(one) for one in overrides]))
        run._write_config(settings)
        return run

    def change(self, settings: Settings, overrides: Iterable[str]) -> None:
        """Replace the config and add overrides, as for a run that is resumed with other values."""
        write_atomic(
            self.path / "overrides.yaml", yaml.safe_dump([*self.overrides(), *map(redact_override, overrides)])
        )
        self._write_config(settings)

    def _write_config(self, settings: Settings) -> None:
        content = {"format": FORMAT} | redact(asdict(settings))
        write_atomic(self.path / "config.yaml", yaml.safe_dump(content, sort_keys=False))

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Open a run directory that exists.

        Raises:
            CheckpointError: there is no run there.
            StorageError: it cannot be read.
        """
        with storage_errors(path, "read"):
            is_run = (path / "config.yaml").is_file()
        if not is_run:
            raise CheckpointError(f"{path} is not a run directory", "`fastrun runs` lists those there are")
        return cls(path)

    def config(self) -> dict[str, Any]:
        """Return the composed config as plain data.

        Relative paths of the user's files are replaced so that they exist from any current folder.

        Raises:
            CheckpointError: the run is of another format.
            ConfigError: the file is not YAML, or holds no config.
        """
        path = self.path / "config.yaml"
        try:
            with storage_errors(path, "read"):
                loaded = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not YAML: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"{path} holds no config")
        check_format(loaded.pop("format", None), str(self.path), self._hint_on_format())
        return _findable(loaded, Path(str(self.read("status.json").get("folder", "."))))

    def _hint_on_format(self) -> str:
        """Return what to do with a run of another format."""
        again = shlex.join(["fastrun", "train", *self.overrides()])
        return f"use the version of fastrun that wrote it, or train again: {again}"

    def overrides(self) -> list[str]:
        """Return the overrides of the command line, those of later attempts included."""
        path = self.path / "overrides.yaml"
        with storage_errors(path, "read"):
            return list(yaml.safe_load(path.read_text()) or []) if path.is_file() else []

    def read(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file in the directory; empty if it is missing or broken."""
        try:
            content = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def begin(self) -> None:
        """Mark the run as running in this process, and count the attempt."""
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
        """Mark the run as ended, with one of the statuses in ``_ENDED``."""
        assert status in _ENDED, status
        ended = self.read("status.json") | {"status": status, "exit_code": exit_code, "updated": time.time()}
        write_atomic(self.path / "status.json", json.dumps(ended, indent=2))

    def status(self) -> str:
        """Return the run's status; ``killed`` where it is ``running`` but its process, of this machine, is gone."""
        status = self.read("status.json")
        process = Process.of(status)
        if status.get("status") == "running" and process is not None and process.is_gone():
            return "killed"
        return str(status.get("status", "unknown"))

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append objects to metrics.jsonl, one per line."""
        metrics_file.append_lines(self.metrics, lines)

    def lines(self) -> list[dict[str, Any]]:
        """Return the objects of metrics.jsonl without lines that are cut off or damaged; empty if it cannot be read."""
        return metrics_file.read_lines(self.metrics)

    def forget_after(self, step: int) -> None:
        """Remove the checkpoints and the lines after a step, and the temporary files of processes that died.

        A run that goes on from a whole checkpoint at that step writes them again. Checkpoints are removed first, so
        that none is ever ahead of its lines.

        Raises:
            StorageError: something cannot be removed, or metrics.jsonl cannot be read or written.
        """
        with storage_errors(self.path, "read"):
            files.forget_after(self.checkpoints, step)
            files.forget_temporaries(self.path)
        metrics_file.forget_after(self.metrics, step)

    def discard_if_unused(self) -> bool:
        """Remove the directory of a run that ended before its first step; one with anything else in it is left.

        Returns:
            Whether it is removed.
        """
        try:
            names = {entry.name for entry in self.path.iterdir()}
            if names - {*_FIRST_FILES, self.checkpoints.name} or any(self.checkpoints.iterdir()):
                return False
            for name in names - {self.checkpoints.name}:
                (self.path / name).unlink()
            self.checkpoints.rmdir()
            self.path.rmdir()
        except OSError:
            return False
        with suppress(OSError):  # the folder of the name, unless it has other runs
            self.path.parent.rmdir()
        return True

    def write_data(self, data: Mapping[str, Any]) -> None:
        """Write data.json, which describes the data that the run trains on."""
        write_atomic(self.path / "data.json", json.dumps(metrics_file.finite(redact(data)), indent=2, default=str))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json, which says how the run ended."""
        write_atomic(
            self.path / "summary.json", json.dumps(metrics_file.finite(redact(summary)), indent=2, default=str)
        )

    def keep_evaluation(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write what an evaluation found into a file of its own, unless there is one that says the same.

        Args:
            name: what was measured, such as ``test-best``, for the file's name: ``eval-test-best.json``. Where a file
                of this name says something else, the name gets a number.
            content: what was found. The ``arguments`` that led to it do not make it another result.

        Returns:
            The file.

        Raises:
            StorageError: it cannot be written.
        """
        found = json.loads(json.dumps(metrics_file.finite(redact(content)), default=str))
        for number in itertools.count(1):
            path = self.path / f"eval-{name}{f'-{number}' if number > 1 else ''}.json"
            with storage_errors(path):
                try:
                    path.open("x").close()  # so that no other process takes the same name
                except FileExistsError:
                    if self.read(path.name) | {"arguments": None} == found | {"arguments": None}:
                        return path
                    continue
            try:
                lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
                write_atomic(path, f"{{\n{lines}\n}}\n")  # a matrix of classes would take a line a number otherwise
            except StorageError:
                path.unlink(missing_ok=True)
                raise
            return path
        raise AssertionError("numbers do not end")

    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Return what the files of :meth:`keep_evaluation` say by their names; without those that are broken."""
        names = sorted(path.name for path in self.path.glob("eval-*.json"))
        return {name: content for name in names if (content := self.read(name))}

    def saved_checkpoints(self) -> list[SavedCheckpoint]:
        """Return the checkpoints that have a manifest, the newest first."""
        return files.list_checkpoints(self.checkpoints)

    def newest_good(self) -> tuple[SavedCheckpoint, list[SavedCheckpoint]]:
        """Return the newest whole checkpoint, and the newer ones that are damaged.

        Raises:
            CheckpointError: there is none.
        """
        return select.newest_good(self.checkpoints)

    def was_never_saved(self) -> bool:
        """Say whether no checkpoint was ever whole: the run ended before its first one was written, or while it was."""
        # one that finished had some, which somebody removed
        return self.status() != "finished" and files.was_never_saved(self.checkpoints)


def _findable(config: dict[str, Any], started_in: Path) -> dict[str, Any]:
    """Return a config whose relative paths to data or weights exist from the current folder.

    Args:
        config: the config, which is changed.
        started_in: the folder that the run was started in. A path is replaced where only that folder has the file.
    """
    named = dict.fromkeys(("model", "tokenizer", "transfer"), ("source",))
    for group, keys in {"data": config.get("data") or {}, **named}.items():
        part = config.get(group) or {}
        for key in keys:
            path = Path(part[key]) if isinstance(part.get(key), str) else Path()
            with suppress(OSError):  # too long to be a path
                if key != "_target_" and not path.exists() and (started_in / path).exists():
                    part[key] = str(started_in / path)
    return config
