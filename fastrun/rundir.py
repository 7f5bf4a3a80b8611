"""The run directory: what a run leaves, written so that a crash at any moment leaves it readable."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from fastrun.errors import CheckpointError, ConfigError, StorageError
from fastrun.process import Process
from fastrun.settings import Settings

_FULL = {errno.ENOSPC, errno.EDQUOT}
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


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn any failure of the operating system to write below ``path`` into a StorageError."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename) if isinstance(error.filename, str) else path
        hint = "free some space" if error.errno in _FULL else "choose another place with outputs=…"
        raise StorageError(f"cannot write {where}: {error.strerror or error}", hint) from error


def write_atomic(path: Path, text: str) -> None:
    """Replace a file's content so that a reader, or a crash, finds the old one or the new one, never a part."""
    with storage(path):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Saved:
    """A checkpoint and what its manifest says."""

    path: Path
    step: int
    sha256: str
    size: int
    metrics: dict[str, float]

    def is_good(self) -> bool:
        """Say whether the file is whole: its size and hash are the manifest's."""
        try:
            return self.path.stat().st_size == self.size and sha256_of(self.path) == self.sha256
        except OSError:
            return False


def sha256_of(path: Path) -> str:
    """Return a file's hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        write_atomic(path / "overrides.yaml", yaml.safe_dump(list(overrides)))
        write_atomic(path / "config.yaml", yaml.safe_dump(asdict(settings), sort_keys=False))
        return run

    def change(self, settings: Settings, overrides: Iterable[str]) -> None:
        """Take over other values, as a resumed run may have them."""
        write_atomic(self.path / "overrides.yaml", yaml.safe_dump([*self.overrides(), *overrides]))
        write_atomic(self.path / "config.yaml", yaml.safe_dump(asdict(settings), sort_keys=False))

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Open a run directory that exists.

        Raises:
            CheckpointError: there is no run there.
        """
        if not (path / "config.yaml").is_file():
            raise CheckpointError(f"{path} is not a run directory", "`fastrun runs` lists those there are")
        return cls(path)

    def config(self) -> dict[str, Any]:
        """Return the composed config as plain data."""
        try:
            loaded = yaml.safe_load((self.path / "config.yaml").read_text())
        except yaml.YAMLError as error:
            raise ConfigError(f"{self.path / 'config.yaml'} is not YAML: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"{self.path / 'config.yaml'} holds no config")
        return loaded

    def overrides(self) -> list[str]:
        """Return what the command line said."""
        path = self.path / "overrides.yaml"
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
        with storage(self.metrics), self.metrics.open("a") as file:
            file.write(text)

    def lines(self) -> list[dict[str, Any]]:
        """Return metrics.jsonl, without a last line that a crash cut short."""
        try:
            text = self.metrics.read_text()
        except OSError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def forget_after(self, step: int) -> None:
        """Drop the lines past a step: a run that resumes there writes them again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_atomic(self.metrics, "".join(json.dumps(line) + "\n" for line in kept))

    def describe(self, data: Mapping[str, Any]) -> None:
        """Write data.json: what the run trains on."""
        write_atomic(self.path / "data.json", json.dumps(_finite(data), indent=2, default=str))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        write_atomic(self.path / "summary.json", json.dumps(_finite(summary), indent=2, default=str))

    def saved(self) -> list[Saved]:
        """Return the checkpoints that have a manifest, the newest first."""
        found = []
        for manifest in self.checkpoints.glob("step-*.json"):
            content = self.read(f"checkpoints/{manifest.name}")
            if {"step", "sha256", "size"} <= content.keys():
                path = manifest.with_suffix(".ckpt")
                metrics = content.get("metrics", {})
                found.append(Saved(path, content["step"], content["sha256"], content["size"], metrics))
        return sorted(found, key=lambda saved: -saved.step)

    def newest_good(self) -> tuple[Saved, list[Saved]]:
        """Return the newest whole checkpoint and the newer ones that had to be passed over.

        Raises:
            CheckpointError: there is none.
        """
        broken: list[Saved] = []
        for saved in self.saved():
            if saved.is_good():
                return saved, broken
            broken.append(saved)
        if broken:
            raise CheckpointError(
                f"no checkpoint in {self.checkpoints} is whole", "start the run again from config.yaml"
            )
        raise CheckpointError(f"{self.path} has no checkpoint to go on from", "start it again: fastrun train …")

    def is_unsaved(self) -> bool:
        """Say whether no checkpoint was ever whole: at most the first one was under way when the run ended."""
        return not any(self.checkpoints.glob("step-*.json")) and len(list(self.checkpoints.glob("step-*.ckpt"))) < 2


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
